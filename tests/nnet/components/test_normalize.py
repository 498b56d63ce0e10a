import numpy as np
import pytest

from nnet.component import Io
from nnet.components.normalize import BatchNorm, Normalize
from nnet.config_line import ConfigLine
from nnet.graph.plan import Request, make_plan
from nnet.graph.run import backward, forward
from tests.checks import gradient_check
from tests.networks import network

T, N = 3, 4
IO = Io(t_in=tuple(range(T)), t_out=tuple(range(T)), n=N)


def make(cls, text):
    line = ConfigLine(f"component name=c type={cls.TYPE} {text}")
    line.str("name"), line.str("type")
    c = cls.configure(line, np.random.default_rng(0))
    line.finish()
    return c


def data(dim, dtype=np.float32, shape=(T, N)):
    return (0.3 + np.random.default_rng(1).standard_normal((*shape, dim))).astype(dtype)


def with_statistics(text, dim):
    c = make(BatchNorm, text)
    x = data(dim)
    y, memo = c.forward(x, IO)
    c.store_stats(x, y, memo, IO)
    c.test_mode = True
    return c


@pytest.mark.parametrize(
    "text",
    [
        "dim=6",
        "input-dim=6 target-rms=0.5",
        "dim=6 block-dim=3",
        "dim=6 add-log-stddev=true",
        "dim=6 block-dim=2 add-log-stddev=true target-rms=2.0",
    ],
)
def test_normalize_backward_matches_numeric_gradient(text):
    gradient_check(make(Normalize, text), data(6), IO, np.random.default_rng(2))


@pytest.mark.parametrize("text", ["dim=6", "dim=6 block-dim=2", "dim=6 target-rms=0.3 epsilon=0.1"])
def test_batchnorm_backward_matches_numeric_gradient(text):
    gradient_check(make(BatchNorm, text), data(6), IO, np.random.default_rng(2))


@pytest.mark.parametrize("text", ["dim=6", "dim=6 block-dim=3 target-rms=2.0"])
def test_batchnorm_in_test_mode_has_the_right_gradient(text):
    gradient_check(with_statistics(text, 6), data(6), IO, np.random.default_rng(2))


@pytest.mark.parametrize(
    "make_one",
    [lambda: make(Normalize, "dim=6"), lambda: make(BatchNorm, "dim=6"), lambda: with_statistics("dim=6", 6)],
)
def test_single_precision_stays_and_arguments_are_unchanged(make_one):
    c, x, dy = make_one(), data(6), np.ones((T, N, 6), np.float32)
    kept = x.copy()
    y, memo = c.forward(x, IO)
    kept_y = y.copy()
    dx = c.backward(dy, x, y, memo, IO)
    c.store_stats(x, y, memo, IO)
    assert (y.dtype, dx.dtype) == (np.float32, np.float32)
    assert np.array_equal(x, kept) and np.array_equal(y, kept_y) and np.array_equal(dy, np.ones_like(dy))


def test_normalize_gives_rows_the_target_rms():
    y, _ = make(Normalize, "dim=2").forward(np.array([[[3.0, 4.0]]]), IO)
    np.testing.assert_allclose(y, [[[3 / 12.5**0.5, 4 / 12.5**0.5]]])


def test_normalize_appends_the_log_of_the_stddev_to_each_block():
    c = make(Normalize, "dim=4 block-dim=2 add-log-stddev=true target-rms=3.0")
    y, _ = c.forward(np.array([[[3.0, 4.0, 0.5, 0.5]]]), IO)
    root = 12.5**0.5
    assert c.output_dim == 6
    np.testing.assert_allclose(y.ravel(), [9 / root, 12 / root, np.log(root), 3, 3, np.log(0.5)])


def test_normalize_leaves_a_zero_row_zero_and_its_derivative_finite():
    c = make(Normalize, "dim=2 add-log-stddev=true")
    x = np.zeros((1, 1, 2), np.float32)
    y, memo = c.forward(x, IO)
    np.testing.assert_allclose(y.ravel(), [0, 0, -33 * np.log(2)], rtol=1e-6)
    dx = c.backward(np.ones((1, 1, 3), np.float32), x, y, memo, IO)
    np.testing.assert_allclose(dx.ravel(), [2.0**33, 2.0**33])


def test_normalize_below_the_floor_only_scales():
    c = make(Normalize, "dim=2")
    x = np.full((1, 1, 2), 1e-12, np.float32)
    y, memo = c.forward(x, IO)
    np.testing.assert_allclose(y, x * 2.0**33)
    dx = c.backward(np.array([[[1.0, 0.0]]], np.float32), x, y, memo, IO)
    np.testing.assert_allclose(dx.ravel(), [2.0**33, 0.0])


@pytest.mark.parametrize("block_dim", [6, 2])
def test_batchnorm_gives_each_dimension_mean_zero_and_the_target_rms(block_dim):
    y, _ = make(BatchNorm, f"dim=6 block-dim={block_dim} target-rms=0.5 epsilon=1e-10").forward(data(6), IO)
    rows = y.reshape(-1, block_dim)
    np.testing.assert_allclose(rows.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(rows.std(0), 0.5, rtol=1e-5)


def test_batchnorm_of_two_frames_by_hand():
    y, _ = make(BatchNorm, "dim=1 epsilon=3.0").forward(np.array([[[1.0]], [[3.0]]]), IO)
    np.testing.assert_allclose(y.ravel(), [-0.5, 0.5])  # mean 2, variance 1


def test_batchnorm_of_a_constant_is_zero():
    y, _ = make(BatchNorm, "dim=1").forward(np.full((T, N, 1), 1000.0, np.float32), IO)
    assert np.isfinite(y).all() and not y.any()


@pytest.mark.parametrize("block_dim", [6, 2])
def test_batchnorm_stores_sums_over_frames_and_blocks(block_dim):
    c = make(BatchNorm, f"dim=6 block-dim={block_dim}")
    x = data(6)
    for _ in range(2):
        y, memo = c.forward(x, IO)
        c.store_stats(x, y, memo, IO)
    rows = np.concatenate([x, x]).reshape(-1, block_dim).astype(np.float64)
    assert c.count == len(rows) and c.stats_sum.dtype == np.float64
    np.testing.assert_allclose(c.stats_sum, rows.sum(0), rtol=1e-5)
    np.testing.assert_allclose(c.stats_sumsq, (rows**2).sum(0), rtol=1e-5)


@pytest.mark.parametrize("text", ["dim=6", "dim=6 block-dim=3 target-rms=0.2"])
def test_batchnorm_in_test_mode_repeats_training_on_the_same_data(text):
    expected, _ = make(BatchNorm, text).forward(data(6), IO)
    y, memo = with_statistics(text, 6).forward(data(6), IO)
    assert memo is None
    np.testing.assert_allclose(y, expected, atol=1e-5)


def test_batchnorm_in_test_mode_treats_frames_alone():
    c = with_statistics("dim=6", 6)
    all_frames, _ = c.forward(data(6), IO)
    one_frame, _ = c.forward(data(6)[:1, :1], IO)
    np.testing.assert_array_equal(one_frame, all_frames[:1, :1])


def test_batchnorm_in_test_mode_stores_nothing():
    c = with_statistics("dim=6", 6)
    count, x = c.count, data(6)
    y, memo = c.forward(x, IO)
    c.store_stats(x, y, memo, IO)
    assert c.count == count


def test_batchnorm_in_test_mode_without_statistics_nearly_copies():
    scale, offset = make(BatchNorm, "dim=2 test-mode=true epsilon=3.0").scale_and_offset()
    assert scale.tolist() == [0.5, 0.5] and offset.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("cls", "text", "message"),
    [
        (Normalize, "", "needs input-dim"),
        (Normalize, "dim=6 block-dim=4", "block-dim=4"),
        (Normalize, "dim=6 target-rms=0", "target-rms=0.0 is not positive"),
        (BatchNorm, "dim=6 epsilon=0", "epsilon=0.0 is not positive"),
        (BatchNorm, "dim=0", "dim=0"),
        (BatchNorm, "dim=6 target-rsm=1", "did you mean target-rms"),
    ],
)
def test_bad_configs_are_refused_by_name(cls, text, message):
    with pytest.raises(ValueError, match=message):
        make(cls, text)


def test_info_names_the_settings():
    c = make(Normalize, "dim=6 block-dim=3 add-log-stddev=true")
    assert c.info_dims() == ["input-dim=6", "output-dim=8"]
    assert c.info() == ["target-rms=1", "add-log-stddev=true", "block-dim=3"]


def test_info_shows_the_statistics():
    c = make(BatchNorm, "dim=2")
    assert c.info_dims() == ["dim=2"]
    fresh = ["block-dim=2", "epsilon=0.001", "target-rms=1", "count=0", "test-mode=false"]
    assert c.info() == fresh
    c.count, c.stats_sum, c.stats_sumsq = 2.5, np.array([5.0, 0.0]), np.array([12.5, 2.5])
    assert c.info()[3:] == [
        "count=2.5",
        "test-mode=false",
        "data-mean=[ 2.0 0 ]",
        "data-stddev=[ 1.0 1.0 ]",
    ]


def test_in_a_cycle_several_sequences_are_what_each_is_alone(rng):
    """Turns put the memo together frame by frame, so that it has to have time first."""
    nnet = network(
        "input-node name=input dim=4\n"
        "component name=a type=AffineComponent input-dim=8 output-dim=4\n"
        "component name=n type=NormalizeComponent dim=4 block-dim=2\n"
        "component-node name=a component=a input=Append(input, IfDefined(Offset(n, -1)))\n"
        "component-node name=n component=n input=a\n"
        "output-node name=output input=n"
    )
    plan = make_plan(nnet, Request({"input": range(5)}, {"output": range(5)}))
    x, dy = rng.standard_normal((2, 5, 3, 4)).astype(np.float32)

    def derivative(which: slice) -> np.ndarray:
        acts = forward(nnet, plan, {"input": x[:, which]})
        return backward(nnet, plan, acts, {"output": dy[:, which]}, want_input_derivs=["input"])["input"]

    alone = [derivative(slice(i, i + 1)) for i in range(3)]
    np.testing.assert_allclose(derivative(slice(0, 3)), np.concatenate(alone, axis=1), atol=1e-5)

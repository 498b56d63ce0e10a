import numpy as np
import pytest

from nnet import tree
from nnet.component import Io
from nnet.components.truncation import BackpropTruncation, ClipGradient
from nnet.config_line import ConfigLine
from tests.checks import gradient_check

T, N = 3, 4
IO = Io(t_in=tuple(range(T)), t_out=tuple(range(T)), n=N)


def make(cls, text):
    line = ConfigLine(f"component name=c type={cls.TYPE} {text}")
    line.str("name"), line.str("type")
    c = cls.configure(line, np.random.default_rng(0))
    line.finish()
    return c


def data(dim):
    return np.random.default_rng(1).standard_normal((T, N, dim)).astype(np.float32)


REPAIR = 0  # the first minibatch
NO_REPAIR = next(s for s in range(100) if not Io((), (), 1, (s,)).happens(1 / 2))


@pytest.mark.parametrize(
    ("cls", "text", "message"),
    [
        (BackpropTruncation, "dim=5 scale=0", "scale=0.0 is not positive"),
        (BackpropTruncation, "dim=5 zeroing-interval=0", "zeroing-interval=0"),
        (BackpropTruncation, "dim=5 clipping-threshold=-1", "clipping-threshold=-1"),
        (ClipGradient, "dim=5 self-repair-target=-1", "self-repair-target=-1"),
        (ClipGradient, "dim=0", "dim=0"),
    ],
)
def test_bad_configs_are_refused_by_name(cls, text, message):
    with pytest.raises(ValueError, match=message):
        make(cls, text)


def test_truncation_within_its_limits_only_scales():
    gradient_check(make(BackpropTruncation, "dim=5 scale=0.75"), data(5), IO, np.random.default_rng(2))
    c, x = make(BackpropTruncation, "dim=5"), data(5)
    assert np.array_equal(c.forward(x, IO)[0], x)


def test_truncation_clips_the_norm_of_rows_and_counts():
    c = make(BackpropTruncation, "dim=2 scale=0.5 clipping-threshold=4 zeroing-threshold=0")
    dy = np.array([[[6.0, 8.0]], [[0.6, 0.8]]], np.float32)  # norms 5 and 0.5 after scaling
    delta = tree.zeros_like({"c": c})["c"]
    dx = c.backward(dy, dy, dy, None, Io((0, 1), (0, 1), 1), delta)
    np.testing.assert_allclose(dx, [[[2.4, 3.2]], [[0.3, 0.4]]], rtol=1e-6)
    assert dx.dtype == np.float32
    assert (delta.num_clipped, delta.count, delta.num_zeroed) == (1, 2, 0)


def test_truncation_zeroes_large_rows_where_a_stretch_begins():
    c = make(BackpropTruncation, "dim=1 zeroing-interval=4 zeroing-threshold=2 recurrence-interval=1")
    frames = tuple(range(6))
    dy = np.full((6, 2, 1), 3.0, np.float32)
    dy[4, 0] = 1.0  # small enough to stay
    delta = tree.zeros_like({"c": c})["c"]
    dx = c.backward(dy, dy, dy, None, Io(frames, frames, 2), delta)
    assert np.argwhere(dx[..., 0] == 0).tolist() == [[0, 0], [1, 1], [5, 1]]  # one frame later in sequence 1
    assert (delta.num_zeroed, delta.num_zeroing_boundaries) == (3, 4)


def test_truncation_info_shows_proportions():
    c = make(BackpropTruncation, "dim=5")
    c.count, c.num_clipped, c.num_zeroed, c.num_zeroing_boundaries = 1220.0, 61.0, 6.0, 60.0
    assert ", ".join(c.info_dims() + c.info()) == (
        "dim=5, scale=1, count=1.22e+03, recurrence-interval=1, clipping-threshold=30, "
        "clipped-proportion=0.05, zeroing-threshold=15, zeroing-interval=20, "
        "zeroed-proportion=0.1, count-zeroing-boundaries=60"
    )


@pytest.mark.parametrize("norm_based", ["true", "false"])
def test_clipping_within_its_limit_is_the_identity(norm_based):
    c = make(ClipGradient, f"dim=5 norm-based-clipping={norm_based}")
    gradient_check(c, data(5), IO, np.random.default_rng(2))


def test_clipping_bounds_elements():
    c, x = make(ClipGradient, "dim=3 clipping-threshold=2"), np.zeros((1, 1, 3), np.float32)
    dx = c.backward(np.array([[[-5.0, 1.0, 3.0]]], np.float32), x, x, None, IO)
    assert dx.tolist() == [[[-2.0, 1.0, 2.0]]] and dx.dtype == np.float32


def test_clipping_bounds_norms_and_counts():
    c = make(ClipGradient, "dim=2 clipping-threshold=2.5 norm-based-clipping=true")
    delta, x = tree.zeros_like({"c": c})["c"], np.zeros((2, 1, 2), np.float32)
    dx = c.backward(np.array([[[3.0, 4.0]], [[0.3, 0.4]]], np.float32), x, x, None, IO, delta)
    np.testing.assert_allclose(dx, [[[1.5, 2.0]], [[0.3, 0.4]]], rtol=1e-6)
    assert (delta.num_clipped, delta.count, delta.num_backpropped) == (1, 2, 1)


def test_clipping_at_zero_stops_the_derivative():
    c, x = make(ClipGradient, "dim=5 clipping-threshold=0"), data(5)
    assert not c.backward(x, x, x, None, IO).any()


def clipped_often(text=""):
    c = make(ClipGradient, f"dim=2 norm-based-clipping=true {text}")
    c.num_clipped, c.count = 5.0, 10.0
    return c


def repaired(c, dy, x, seed=REPAIR):
    delta = tree.zeros_like({"c": c})["c"]
    dx = c.backward(
        np.array(dy, np.float32), np.array(x, np.float32), None, None, Io((0,), (0,), 1, (seed,)), delta
    )
    return dx, delta


def test_clipping_repair_turns_the_derivative_against_x_and_keeps_its_norm():
    dx, delta = repaired(clipped_often("self-repair-target=1"), [[[2.0, 0.0]]], [[[0.5, 4.0]]])
    np.testing.assert_allclose(dx, [[[2**0.5, -(2**0.5)]]], rtol=1e-6)  # (2, 0) - 2 (0, 1), at norm 2
    assert delta.num_self_repaired == 1 and dx.dtype == np.float32


@pytest.mark.parametrize(
    ("seed", "text"),
    [
        (NO_REPAIR, ""),
        (REPAIR, "self-repair-scale=0"),
        (REPAIR, "self-repair-clipped-proportion-threshold=0.5"),
        (REPAIR, "self-repair-clipped-proportion-threshold=1"),
    ],
)
def test_clipping_repair_rests_without_the_coin_a_scale_or_much_clipping(seed, text):
    dx, delta = repaired(clipped_often(text), [[[2.0, 0.0]]], [[[0.5, 4.0]]], seed)
    assert dx.tolist() == [[[2.0, 0.0]]] and delta.num_self_repaired == 0


def test_clipping_repair_of_zeros_is_finite():
    dx, _ = repaired(clipped_often(), [[[0.0, 0.0]]], [[[0.0, 0.0]]])
    assert not dx.any()


def test_clipping_info_shows_the_proportion():
    assert ", ".join(clipped_often().info_dims() + clipped_often().info()) == (
        "dim=2, norm-based-clipping=true, clipping-threshold=15, clipped-proportion=0.5, "
        "self-repair-clipped-proportion-threshold=0.01, self-repair-target=0, self-repair-scale=1"
    )

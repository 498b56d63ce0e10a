from dataclasses import replace

import numpy as np
import pytest

from nnet import tree
from nnet.component import Io
from nnet.components.activations import LogSoftmax, RectifiedLinear, Sigmoid, Softmax, Tanh
from nnet.config_line import ConfigLine
from tests.checks import gradient_check

ALL = (Sigmoid, Tanh, RectifiedLinear, Softmax, LogSoftmax)
T, N, D = 3, 4, 6


def make(cls, text=f"dim={D}"):
    line = ConfigLine(f"component name=c type={cls.TYPE} {text}")
    line.str("name"), line.str("type")
    c = cls.configure(line, np.random.default_rng(0))
    line.finish()
    return c


def io(seed=0):
    return Io(t_in=tuple(range(T)), t_out=tuple(range(T)), n=N, seed=(seed,))


NO_REPAIR = 0  # the first minibatch: statistics are stored, self-repair rests
REPAIR = next(s for s in range(100) if not Io((), (), 1, (s,)).happens(1 / 2))


@pytest.fixture
def x():
    return np.random.default_rng(1).standard_normal((T, N, D)).astype(np.float32)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("size", [1.0, 4.0])
def test_backward_matches_numeric_gradient(cls, size, x):
    gradient_check(make(cls), size * x, io(), np.random.default_rng(2))


@pytest.mark.parametrize("cls", ALL)
def test_single_precision_stays_and_arguments_are_unchanged(cls, x):
    c, dy = make(cls), np.ones_like(x)
    kept = x.copy()
    y, memo = c.forward(x, io())
    kept_y = y.copy()
    dx = c.backward(dy, x, y, memo, io())
    c.store_stats(x, y, memo, io())
    assert (y.dtype, dx.dtype) == (np.float32, np.float32)
    assert np.array_equal(x, kept) and np.array_equal(y, kept_y) and np.array_equal(dy, np.ones_like(x))


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (Sigmoid, [0.0, 0.5, 0.73105858, 1.0]),
        (Tanh, [-1.0, 0.0, 0.76159416, 1.0]),
        (RectifiedLinear, [0.0, 0.0, 1.0, 1000.0]),
        (Softmax, [1e-20, 1e-20, 1e-20, 1.0]),
        (LogSoftmax, [-2000.0, -1000.0, -999.0, 0.0]),
    ],
)
def test_extreme_inputs_give_the_limits(cls, expected):
    y, _ = make(cls, "dim=4").forward(np.array([[[-1000, 0, 1, 1000]]], np.float32), io())
    np.testing.assert_allclose(y.ravel(), expected, rtol=1e-6)


def test_sigmoid_keeps_relative_precision_far_below_zero():
    y, _ = make(Sigmoid, "dim=1").forward(np.full((1, 1, 1), -60.0, np.float32), io())
    np.testing.assert_allclose(y.item(), np.exp(-60.0), rtol=1e-5)


@pytest.mark.parametrize("cls", [Softmax, LogSoftmax])
def test_softmax_rows_sum_to_one(cls, x):
    y, _ = make(cls).forward(x, io())
    p = np.exp(y) if cls is LogSoftmax else y
    np.testing.assert_allclose(p.sum(-1), 1.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("cls", "value", "deriv"),
    [
        (Sigmoid, lambda x: 1 / (1 + np.exp(-x)), lambda y: y * (1 - y)),
        (Tanh, np.tanh, lambda y: 1 - y * y),
        (RectifiedLinear, lambda x: np.maximum(x, 0), lambda y: (y > 0).astype(float)),
    ],
)
def test_first_minibatch_stores_sums_of_values_and_derivatives(cls, value, deriv, x):
    c = make(cls)
    y, memo = c.forward(x, io())
    c.store_stats(x, y, memo, io())
    expected = value(x.astype(np.float64)).reshape(-1, D)
    assert c.count == T * N
    assert c.value_sum.dtype == c.deriv_sum.dtype == np.float64
    np.testing.assert_allclose(c.value_sum, expected.sum(0), rtol=1e-5)
    np.testing.assert_allclose(c.deriv_sum, deriv(expected).sum(0), rtol=1e-5)


@pytest.mark.parametrize("cls", [Sigmoid, Tanh, RectifiedLinear])
def test_later_minibatches_store_about_half_of_the_time(cls, x):
    c = make(cls)
    y, memo = c.forward(x, io())
    for seed in range(200):
        c.store_stats(x, y, memo, io(seed))
    stored = c.count / (T * N)
    assert 80 <= stored <= 120
    np.testing.assert_allclose(c.value_sum, stored * y.reshape(-1, D).sum(0, dtype=float), rtol=1e-5)


def test_softmax_sums_values_always_and_derivatives_never(x):
    c = make(Softmax)
    y, memo = c.forward(x, io())
    for seed in range(10):
        c.store_stats(x, y, memo, io(seed))
    assert c.count == 10 * T * N and c.deriv_sum is None
    np.testing.assert_allclose(c.value_sum.sum(), c.count, rtol=1e-5)


def test_log_softmax_keeps_no_forward_statistics(x):
    c = make(LogSoftmax)
    y, memo = c.forward(x, io())
    c.store_stats(x, y, memo, io())
    assert c.count == 0 and c.value_sum is None


@pytest.mark.parametrize("cls", ALL)
def test_output_derivatives_are_stored_on_three_quarters_of_minibatches(cls, x):
    c = make(cls)
    for seed in range(400):
        c.store_backward_stats(x, io(seed))
    stored = c.oderiv_count / (T * N)
    assert 270 <= stored <= 330
    np.testing.assert_allclose(
        c.oderiv_sumsq, stored * np.square(x.reshape(-1, D), dtype=float).sum(0), rtol=1e-5
    )


@pytest.mark.parametrize("cls", ALL)
def test_statistics_from_a_file_that_has_none_are_filled(cls, x):
    c = make(cls)
    c.value_sum = c.deriv_sum = c.oderiv_sumsq = np.zeros(0)
    y, memo = c.forward(x, io())
    c.store_stats(x, y, memo, io())
    c.store_backward_stats(x, io())
    assert c.oderiv_sumsq.shape == (D,)


def saturated(cls, average, **settings):
    """A component whose units have the given average derivatives."""
    c = make(cls, f"dim={len(average)} self-repair-scale=0.01")
    c.count = 100.0
    c.deriv_sum = 100.0 * np.asarray(average)
    return replace(c, **settings)


def repaired(c, y, seed=REPAIR):
    """What self-repair adds to the input derivative, and the component that counted."""
    delta = tree.zeros_like({"c": c})["c"]
    shape = (1, 1, len(y))
    y = np.reshape(np.asarray(y, np.float32), shape)
    dx = c.backward(np.zeros(shape, np.float32), y, y, None, io(seed), delta)
    assert dx.dtype == np.float32
    return dx.ravel(), delta


def test_sigmoid_repair_pulls_flat_units_towards_zero_at_twice_the_scale():
    dx, delta = repaired(saturated(Sigmoid, [0.01, 0.2, 0.04]), [1.0, 1.0, 0.0])
    np.testing.assert_allclose(dx, [-0.02, 0.0, 0.02], atol=1e-9)
    assert (delta.num_dims_self_repaired, delta.num_dims_processed) == (2, 3)


def test_tanh_repair_pulls_flat_units_towards_zero_at_twice_the_scale():
    dx, delta = repaired(saturated(Tanh, [0.1, 0.3, 0.19]), [1.0, 1.0, -0.5])
    np.testing.assert_allclose(dx, [-0.02, 0.0, 0.01], atol=1e-9)
    assert (delta.num_dims_self_repaired, delta.num_dims_processed) == (2, 3)


def test_relu_repair_moves_rare_units_up_and_permanent_units_down():
    dx, delta = repaired(saturated(RectifiedLinear, [0.01, 0.5, 0.99]), [0.0, 1.0, 1.0])
    np.testing.assert_allclose(dx, [0.02, 0.0, -0.02], atol=1e-9)
    assert (delta.num_dims_self_repaired, delta.num_dims_processed) == (2, 3)


def test_relu_repair_averages_over_blocks():
    c = saturated(RectifiedLinear, [0.0, 0.5, 0.06, 0.5], block_dim=2)
    dx, delta = repaired(c, [0.0, 1.0, 0.0, 1.0])
    np.testing.assert_allclose(dx, [0.02, 0.0, 0.02, 0.0], atol=1e-9)
    assert (delta.num_dims_self_repaired, delta.num_dims_processed) == (1, 2)


@pytest.mark.parametrize("cls", [Sigmoid, Tanh, RectifiedLinear])
def test_thresholds_can_be_given(cls):
    c = saturated(cls, [0.4, 0.6], self_repair_lower_threshold=0.5)
    dx, delta = repaired(c, [0.75, 0.75])
    assert dx[0] != 0 and dx[1] == 0 and delta.num_dims_self_repaired == 1


@pytest.mark.parametrize("cls", [Sigmoid, Tanh, RectifiedLinear])
@pytest.mark.parametrize(
    ("seed", "settings"),
    [
        (NO_REPAIR, {}),
        (REPAIR, {"self_repair_scale": 0.0}),
        (REPAIR, {"count": 0.0}),
        (REPAIR, {"deriv_sum": None}),
    ],
)
def test_repair_rests_without_the_coin_a_scale_or_statistics(cls, seed, settings):
    dx, delta = repaired(saturated(cls, [0.001, 0.001], **settings), [0.75, 0.75], seed)
    assert not dx.any() and delta.num_dims_self_repaired == 0


@pytest.mark.parametrize("cls", [Sigmoid, Tanh, RectifiedLinear])
def test_repair_needs_a_delta(cls):
    c = saturated(cls, [0.001])
    y = np.full((1, 1, 1), 0.75, np.float32)
    assert not c.backward(np.zeros_like(y), y, y, None, io(REPAIR)).any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dim=0", "dim=0"),
        ("dim=6 block-dim=4", "block-dim=4"),
        ("dim=6 self-repair-scale=0.2", "self-repair-scale=0.2"),
        ("dim=6 self-repair=1", "has no option self-repair"),
        ("", "needs dim"),
    ],
)
def test_bad_configs_are_refused_by_name(text, message):
    with pytest.raises(ValueError, match=message):
        make(Tanh, text)


def test_info_of_a_fresh_component_names_its_settings():
    c = make(RectifiedLinear, "dim=6 block-dim=3 self-repair-scale=1e-05 self-repair-lower-threshold=0.1")
    assert c.info_dims() == ["dim=6", "block-dim=3"]
    assert c.info() == ["self-repair-lower-threshold=0.1", "self-repair-scale=1e-05"]


def test_info_shows_averages():
    c = make(Tanh, "dim=2")
    c.count, c.value_sum, c.deriv_sum = 1234.0, 1234 * np.array([0.5, -0.25]), 1234 * np.array([0.75, 0.25])
    c.oderiv_count, c.oderiv_sumsq = 4.0, np.array([1.0, 4.0])
    c.num_dims_self_repaired, c.num_dims_processed = 1.0, 4.0
    assert c.info() == [
        "count=1.23e+03",
        "self-repaired-proportion=0.25",
        "value-avg=[ 0.50 -0.25 ]",
        "deriv-avg=[ 0.75 0.25 ]",
        "oderiv-rms=[ 0.50 1.0 ]",
        "oderiv-count=4",
    ]

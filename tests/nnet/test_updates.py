"""What happens between a minibatch's change and the model."""

from types import SimpleNamespace

import numpy as np
import pytest

from nnet import apply_l2_regularization, tree
from nnet.component import PARAM, names, params
from nnet.components import TYPES
from nnet.config_line import ConfigLine
from nnet.updates import MaxChangeStats, norms, scale_batchnorm_stats, update_with_max_change

UPDATABLE = {
    "AffineComponent": "input-dim=5 output-dim=3",
    "NaturalGradientAffineComponent": "input-dim=5 output-dim=3",
    "LinearComponent": "input-dim=5 output-dim=3",
    "TdnnComponent": "input-dim=5 output-dim=3 time-offsets=-1,0,1",
    "PerElementScaleComponent": "dim=6",
    "NaturalGradientPerElementScaleComponent": "dim=6",
    "PerElementOffsetComponent": "dim=6 param-stddev=1",
    "ScaleAndOffsetComponent": "dim=6",
}


def make(kind, text, seed=0):
    line = ConfigLine(f"component {text}")
    c = TYPES[kind].configure(line, np.random.default_rng(seed))
    line.finish()
    return c


def filled(components, rng, spread=1.0):
    """The components with random parameters, in place."""
    for c in components.values():
        for a in params(c).values():
            a[...] = spread * rng.standard_normal(a.shape)
    return components


def pair(rng, more="", kinds=UPDATABLE):
    """Components of all kinds and a random delta for them."""
    model = {kind: make(kind, f"{UPDATABLE[kind]} {more}") for kind in kinds}
    filled(model, rng)
    return model, filled(tree.zeros_like(model), rng)


def values(components):
    return {(name, key): a.copy() for name, c in components.items() for key, a in params(c).items()}


@pytest.mark.parametrize("kind", UPDATABLE)
def test_l2_shrinks_every_parameter_by_its_own_rate(rng, kind):
    model, delta = pair(rng, "l2-regularize=0.03 learning-rate=0.02", [kind])
    before = values(delta)
    apply_l2_regularization(model, delta, 64.0)
    for (name, key), old in before.items():
        expected = old - 2 * 64.0 * 0.02 * 0.03 * getattr(model[name], key)
        np.testing.assert_allclose(getattr(delta[name], key), expected, rtol=1e-6, atol=1e-6)


def test_l2_takes_a_given_rate_times_the_factor(rng):
    model, delta = pair(rng, "l2-regularize=0.1 learning-rate=7 learning-rate-factor=0.5")
    before = values(delta)
    apply_l2_regularization(model, delta, 3.0, lrate=0.2)
    for (name, key), old in before.items():
        expected = old - 2 * 3.0 * 0.2 * 0.5 * 0.1 * getattr(model[name], key)
        np.testing.assert_allclose(getattr(delta[name], key), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("more", "scale"), [("l2-regularize=0", 64.0), ("l2-regularize=0.1", 0.0)])
def test_l2_of_zero_leaves_every_bit(rng, more, scale):
    model, delta = pair(rng, more)
    model["AffineComponent"].W[0, 0] = np.nan  # would spread even times zero
    before = values(delta)
    apply_l2_regularization(model, delta, scale)
    assert all(getattr(delta[name], key).tobytes() == old.tobytes() for (name, key), old in before.items())


def test_l2_takes_networks_as_well_as_mappings(rng):
    model, delta = pair(rng, "l2-regularize=0.1")
    other = {name: tree.copy(c) for name, c in delta.items()}
    apply_l2_regularization(model, delta, 2.0)
    apply_l2_regularization(SimpleNamespace(components=model), SimpleNamespace(components=other), 2.0)
    first, second = values(delta), values(other)
    assert all(np.array_equal(first[key], second[key]) for key in first)


def test_l2_names_a_component_that_delta_lacks(rng):
    model, delta = pair(rng, "l2-regularize=0.1")
    del delta["TdnnComponent"]
    with pytest.raises(ValueError, match="TdnnComponent of the network is not in delta"):
        apply_l2_regularization(model, delta, 1.0)


def test_l2_pulls_weights_to_zero_over_many_steps(rng):
    model = {"a": make("AffineComponent", "input-dim=5 output-dim=3 l2-regularize=0.1 learning-rate=0.5")}
    start = norms(model)["a"]
    for _ in range(50):
        delta = tree.zeros_like(model)
        apply_l2_regularization(model, delta, 1.0)
        tree.add(model["a"], delta["a"])
    assert norms(model)["a"] == pytest.approx(start * 0.9**50, rel=1e-4)


def two(rng, sizes, limits):
    """Two linear components, and a delta whose components have the norms `sizes`."""
    model = {
        name: make("LinearComponent", f"input-dim=4 output-dim=3 max-change={limit}", seed)
        for seed, (name, limit) in enumerate(zip("ab", limits))
    }
    delta = filled(tree.zeros_like(model), rng)
    for name, size in zip("ab", sizes):
        delta[name].W *= size / np.linalg.norm(delta[name].W)
    return model, delta


def moved(model, before, name):
    """How far component `name` is from where it was."""
    return float(np.linalg.norm(model[name].W - before[name, "W"]))


@pytest.mark.parametrize(
    ("sizes", "limits", "whole", "max_change_scale", "scale", "expected"),
    [
        ((1, 2), (0, 0), 0, 1, 1, (1, 2)),  # no limits
        ((1, 2), (0.75, 0), 0, 1, 1, (0.75, 2)),
        ((0.7, 2), (0.75, 0), 0, 1, 1, (0.7, 2)),  # below the threshold
        ((3, 4), (0, 0), 2.5, 1, 1, (1.5, 2)),
        ((30, 4), (3, 0), 2.5, 1, 1, (1.5, 2)),  # the global limit sees limited components
        ((3, 4), (0, 0), 5.001, 1, 1, (3, 4)),
        ((1, 2), (0.75, 0), 0, 1, 0.5, (0.5, 1)),  # the threshold holds for the scaled change
        ((1, 2), (0.75, 0), 0, 0.5, -1, (0.375, 2)),
        ((3, 4), (0, 0), 2.5, 0.4, -1, (0.6, 0.8)),
    ],
)
def test_change_is_held_to_its_limits(rng, sizes, limits, whole, max_change_scale, scale, expected):
    model, delta = two(rng, sizes, limits)
    before = values(model)
    assert update_with_max_change(model, delta, whole, max_change_scale, scale, MaxChangeStats())
    assert [moved(model, before, name) for name in "ab"] == pytest.approx(expected, rel=1e-5)
    direction = (model["a"].W - before["a", "W"]).ravel() @ delta["a"].W.ravel()
    assert np.sign(direction) == np.sign(scale)


def test_change_at_the_threshold_is_not_scaled(rng):
    model, delta = two(rng, (1, 2), (0, 0))
    delta["a"].W[...] = 0
    delta["a"].W[0, 0] = 0.75
    model["a"].max_change = delta["a"].max_change = 0.75
    stats = MaxChangeStats()
    update_with_max_change(model, delta, 0, 1, 1, stats)
    assert not stats.per_component["a"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("whole", [0.0, 2.0])
def test_change_that_is_not_finite_is_thrown_away(rng, bad, whole):
    model, delta = two(rng, (1, 2), (0.75, 0.75))
    delta["b"].W[1, 1] = bad
    before, stats = values(model), MaxChangeStats()
    assert not update_with_max_change(model, delta, whole, 1, 1, stats)
    assert all(np.array_equal(getattr(model[name], key), old) for (name, key), old in before.items())
    assert not any(a.any() for a in values(delta).values()) and stats.rejected == 1


def test_overflowing_norm_is_not_finite(rng):
    model, delta = two(rng, (1, 2), (0, 0))
    delta["a"].W[...] = 3e38
    with np.errstate(over="ignore"):
        assert not update_with_max_change(model, delta, 2.0, 1, 1, MaxChangeStats())


def test_statistics_without_parameters_follow_the_overall_scale(rng):
    model, delta = two(rng, (3, 4), (0, 0))
    for components, count in ((model, 10.0), (delta, 4.0)):
        components["relu"] = make("RectifiedLinearComponent", "dim=3")
        components["relu"].num_dims_processed = count
    update_with_max_change(model, delta, 2.5, 1, 1, MaxChangeStats())
    assert model["relu"].num_dims_processed == pytest.approx(12)


def test_log_lines_count_how_often_limits_acted(rng):
    stats = MaxChangeStats()
    for size in (1, 1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1):
        model, delta = two(rng, (0.1, size), (0.75, 0.75))
        update_with_max_change(model, delta, 0.7, 1, 1, stats)
    assert stats.lines(model) == [
        "For b, per-component max-change was enforced 25 % of the time.",
        "The global max-change was enforced 25 % of the time.",
    ]
    assert MaxChangeStats().lines(model) == []


def test_norms_span_all_parameters_of_a_component(rng):
    model, _ = pair(rng)
    c = model["TdnnComponent"]
    assert norms(model)["TdnnComponent"] == pytest.approx(
        np.hypot(np.linalg.norm(c.W), np.linalg.norm(c.b)), rel=1e-6
    )
    assert norms({}) == {}


def test_batchnorm_statistics_shrink_and_nothing_else(rng):
    c = make("BatchNormComponent", "dim=3")
    c.count, c.stats_sum, c.stats_sumsq = 10.0, np.ones(3, np.float32), np.full(3, 2, np.float32)
    relu = make("RectifiedLinearComponent", "dim=3")
    relu.num_dims_processed = 5.0
    scale_batchnorm_stats({"bn": c, "relu": relu}, 0.8)
    assert c.count == pytest.approx(8) and c.stats_sum[0] == pytest.approx(0.8)
    assert c.stats_sumsq[0] == pytest.approx(1.6) and relu.num_dims_processed == 5


@pytest.mark.parametrize("factor", [-0.1, 1.1])
def test_batchnorm_scale_out_of_range_is_refused(factor):
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        scale_batchnorm_stats({}, factor)


@pytest.mark.parametrize("kind", UPDATABLE)
def test_every_parameter_field_has_a_role(kind):
    assert set(params(make(kind, UPDATABLE[kind]))) == set(names(make(kind, UPDATABLE[kind]), PARAM))

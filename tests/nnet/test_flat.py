"""All parameters in one array: views with the same values, and one update like that of rules one by one."""

import numpy as np
import pytest

from nnet import tree
from nnet.component import params
from nnet.config_line import ConfigLine
from nnet.factory import make_component
from nnet.flat import Flat
from nnet.kernels.update import CHUNK, Limits
from nnet.updates import MaxChangeStats, apply_l2_regularization, update_with_max_change
from tests.networks import network

SOUND = np.ones(1, np.int32)


def lstm():
    """A cell, which has statistics beside its parameters."""
    line = ConfigLine("component name=c type=LstmNonlinearityComponent cell-dim=4 l2-regularize=0.1")
    return {"c": make_component(line, np.random.default_rng(0))}


def filled(components, rng):
    """The same components with random changes, statistics too."""
    for c in components.values():
        for a in params(c).values():
            a[...] = rng.standard_normal(a.shape)
    return components


def test_components_hold_views_with_the_same_values():
    nnet = network()
    before = {n: {k: a.copy() for k, a in params(c).items()} for n, c in nnet.components.items()}
    flat = Flat(nnet.components, tree.zeros_like(nnet.components))
    assert len(flat.w) == len(flat.d) == CHUNK * len(flat.names)
    for name, c in nnet.components.items():
        for key, a in params(c).items():
            assert np.shares_memory(a, flat.w) and np.array_equal(a, before[name][key])
            assert a.ctypes.data % 64 == flat.w.ctypes.data % 64
    assert np.count_nonzero(flat.w) <= sum(a.size for c in before.values() for a in c.values())


@pytest.mark.parametrize("make", [lambda: network().components, lstm], ids=["network", "lstm"])
@pytest.mark.parametrize("momentum", [0.0, 0.25])
def test_an_update_is_the_rules_one_by_one(rng, make, momentum):
    model, other = make(), make()
    delta = filled(tree.zeros_like(model), rng)
    if "c" in delta:
        delta["c"].count, delta["c"].value_sum = 8.0, rng.random((5, 4))
        model["c"].deriv_sum = rng.random((5, 4))
        other["c"].deriv_sum = model["c"].deriv_sum.copy()
    again = {name: tree.copy(c) for name, c in delta.items()}
    stats = MaxChangeStats()
    apply_l2_regularization(other, again, 4.0)
    assert update_with_max_change(other, again, 2.0, 1.0, 0.5, stats)
    flat = Flat(model, delta)
    assert flat.update(SOUND, Limits(0.5, 4.0, 1.0, 2.0), momentum)[0] == 1
    for name, c in other.items():
        tree.scale(again[name], momentum)
        for ours, theirs in ((model[name], c), (delta[name], again[name])):
            for key, a in params(theirs).items():
                np.testing.assert_allclose(params(ours)[key], a, rtol=1e-5, atol=1e-7)
            for key in ("count", "value_sum", "deriv_sum"):
                if hasattr(theirs, key) and "c" in delta:
                    np.testing.assert_allclose(getattr(ours, key), getattr(theirs, key), rtol=1e-6)
    assert stats.overall == flat.decision.counts[-1]


def test_arrays_and_settings_that_are_exchanged_are_taken_in(rng):
    nnet = network()
    delta = tree.zeros_like(nnet.components)
    flat = Flat(nnet.components, delta)
    nnet.components["h2"].W = W = np.ones((6, 12), np.float32)
    delta["h2"].l2_regularize, delta["h2"].learning_rate = 0.25, 1.0
    flat.update(SOUND, Limits(1.0, 1.0, 1.0, 0.0), 0.0)
    assert np.shares_memory(nnet.components["h2"].W, flat.w)
    np.testing.assert_allclose(nnet.components["h2"].W, 0.5 * W)

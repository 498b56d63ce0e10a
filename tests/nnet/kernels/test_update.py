"""One update of all parameters: numpy's body against the rules one by one, the kernels against numpy's."""

import math

import numpy as np
import pytest

from nnet.backend import to_device, to_host
from nnet.kernels.update import CHUNK, Limits, Table, apply, decision, limits

FIRST = np.array([0, 1, 4, 5])  # components of 1, 3 and 1 chunks
L2 = np.array([-0.01, 0.0, -0.5])
MOST = np.array([0.75, 0.0, 3.0])
HOW = Limits(scale=0.9, l2_scale=0.1, max_change_scale=1.0, max_param_change=2.0)


def table():
    return Table(FIRST, L2, MOST)


def parameters(rng, size=1.0):
    w, d = (rng.standard_normal(FIRST[-1] * CHUNK).astype(np.float32) for _ in range(2))
    for start, stop, norm in zip(FIRST * CHUNK, FIRST[1:] * CHUNK, (2.0, 1.0, 1.5)):
        d[start:stop] *= size * norm / np.linalg.norm(d[start:stop])
    return w, d


def expected(w, d, how, momentum):
    """w and d after the update, in float64, rule after rule."""
    w, d = w.astype(float), d.astype(float)
    parts = [slice(a, b) for a, b in zip(FIRST * CHUNK, FIRST[1:] * CHUNK)]
    changes = []
    for part, l2, most in zip(parts, L2, MOST * how.max_change_scale):
        d[part] += how.l2_scale * l2 * w[part]
        change = how.scale * d[part]
        size = np.linalg.norm(change)
        changes.append(change * (most / size if most and size > most else 1.0))
    whole = math.sqrt(sum(float(c @ c) for c in changes))
    most = how.max_param_change * how.max_change_scale
    shrink = most / whole if how.max_param_change and whole > most else 1.0
    for part, change in zip(parts, changes):
        w[part] += shrink * change
    return w, d * momentum


@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize(
    "how",
    [HOW, Limits(-0.3, 0.0, 0.3, 2.0), Limits(1.0, 0.1, 1.0, 0.0), Limits(1.0, 0.0, 100.0, 1.0)],
    ids=["limited", "backwards", "no overall limit", "no limit acts"],
)
def test_both_bodies_follow_the_rules(rng, device, how, momentum):
    w, d = parameters(rng)
    far_w, far_d = to_device(w), to_device(d)
    want_w, want_d = expected(w, d, how, momentum)
    here, there = decision(w, table()), decision(far_w, table())
    for held, a, b, one in ((here, w, d, np.ones(1, np.int32)), (there, far_w, far_d, None)):
        limits(held, b, a, to_device(np.ones(1, np.int32)) if one is None else one, how)
        apply(held, a, b, momentum)
    np.testing.assert_allclose(w, want_w, atol=1e-6)
    np.testing.assert_allclose(d, want_d, atol=1e-7)
    np.testing.assert_allclose(to_host(far_w), w, atol=1e-7)
    np.testing.assert_allclose(to_host(far_d), d, atol=1e-8)
    assert np.array_equal(to_host(there.counts), here.counts)
    np.testing.assert_allclose(to_host(there.factors), here.factors, rtol=1e-5)


@pytest.mark.parametrize("why", ["change", "overflow", "objective"])
def test_what_is_not_finite_changes_nothing(rng, device, why):
    w, d = parameters(rng)
    if why != "objective":
        d[2 * CHUNK + 5] = np.nan if why == "change" else 3e38
    sound = np.array([why != "objective"], np.int32)
    before, far_w, far_d = w.copy(), to_device(w), to_device(d)
    here, there = decision(w, table()), decision(far_w, table())
    with np.errstate(over="ignore"):
        limits(here, d, w, sound, HOW)
    limits(there, far_d, far_w, to_device(sound), HOW)
    apply(here, w, d, 0.5)
    apply(there, far_w, far_d, 0.5)
    for a, b, held in ((w, d, here), (far_w, far_d, there)):
        assert np.array_equal(to_host(a), before) and not to_host(b).any()
        assert not to_host(held.good)[0] and not to_host(held.counts).any()


def test_the_next_minibatch_is_judged_afresh(rng, device):
    w, d = parameters(rng)
    far_w, far_d, sound = to_device(w), to_device(d), to_device(np.ones(1, np.int32))
    there = decision(far_w, table())
    limits(there, far_d, far_w, to_device(np.zeros(1, np.int32)), HOW)
    apply(there, far_w, far_d, 0.0)
    far_d[:] = to_device(d)
    limits(there, far_d, far_w, sound, HOW)
    apply(there, far_w, far_d, 0.0)
    np.testing.assert_allclose(to_host(far_w), expected(w, d, HOW, 0)[0], atol=1e-6)

"""The orthonormal constraint: where it leads, and that each step is Kaldi's."""

from __future__ import annotations

import numpy as np
import pytest

from nnet import constrain_orthonormal
from nnet.updates import orthonormal_step
from tests.nnet.test_updates import make


def off(M, scale2):
    """Largest deviation of M M' from scale2 I, relative to scale2."""
    return np.abs(M @ M.T / scale2 - np.eye(len(M))).max()


@pytest.mark.parametrize("constraint", [1.0, 0.5, -1.0])
@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("LinearComponent", "input-dim=30 output-dim=8"),
        ("AffineComponent", "input-dim=8 output-dim=30"),  # tall: columns become orthonormal
        ("TdnnComponent", "input-dim=20 output-dim=8 time-offsets=0,1"),
    ],
)
def test_constraint_converges_to_orthonormal_rows(kind, text, constraint):
    c = make(kind, f"{text} orthonormal-constraint={constraint} param-stddev=0.05")
    for _ in range(60):
        constrain_orthonormal({"c": c})
    M = c.W if c.W.shape[0] <= c.W.shape[1] else c.W.T
    scale2 = constraint**2 if constraint > 0 else np.trace(M @ M.T) / len(M)
    assert off(M, scale2) < 1e-4


def test_bias_is_not_constrained(rng):
    c = make("AffineComponent", "input-dim=8 output-dim=3 orthonormal-constraint=-1")
    kept = c.b.copy()
    constrain_orthonormal({"c": c})
    assert np.array_equal(c.b, kept)


def test_component_without_constraint_is_left_alone():
    c = make("LinearComponent", "input-dim=8 output-dim=3")
    kept = c.W.copy()
    constrain_orthonormal({"c": c})
    assert np.array_equal(c.W, kept)


def kaldi_step(M, constraint):
    """ConstrainOrthonormalInternal in double, with its branches."""
    P, speed, scale = M @ M.T, 0.125, constraint
    if constraint < 0:
        scale = np.sqrt((P * P).sum() / np.trace(P))
        ratio = (P * P).sum() * len(P) / np.trace(P) ** 2
        speed *= (0.5 if ratio > 1.02 else 1) * (0.5 if ratio > 1.1 else 1)
    return M - 4 * speed / scale**2 * (P - scale**2 * np.eye(len(P))) @ M


@pytest.mark.parametrize("spread", [0.01, 0.2, 1.0])  # ratio below 1.02, between, beyond 1.1
@pytest.mark.parametrize("constraint", [1.0, -1.0])
def test_one_step_is_kaldis(rng, constraint, spread):
    M = np.eye(4, 9) * (1 + spread * np.array([[-1], [1], [-0.5], [0.5]]))
    M[0, 5] = 0.1
    expected = kaldi_step(M, constraint)
    orthonormal_step(M, constraint)
    np.testing.assert_allclose(M, expected, atol=1e-12)


def test_floating_step_of_zeros_does_nothing():
    M = np.zeros((2, 3), np.float32)
    orthonormal_step(M, -1.0)
    assert not M.any()


def test_in_training_a_quarter_of_the_steps_is_taken():
    rng, steps = np.random.default_rng(0), 0
    for _ in range(400):
        c = make("LinearComponent", "input-dim=3 output-dim=2 orthonormal-constraint=1")
        kept = c.W.copy()
        constrain_orthonormal({"c": c}, rng)
        steps += not np.array_equal(c.W, kept)
    assert 70 < steps < 130

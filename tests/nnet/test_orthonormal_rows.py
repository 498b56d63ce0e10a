"""Rows set at right angles again: which are left alone, which are turned, which are replaced."""

from __future__ import annotations

import numpy as np
import pytest

from nnet.natural_gradient import first_basis
from nnet.orthonormal_rows import gram_schmidt, reorthogonalize


def off_unit(W, e):
    R = W / np.sqrt(e)[:, None]
    return np.abs(R @ R.T - np.eye(len(e))).max()


def test_rows_at_right_angles_are_left_alone(rng):
    e = np.array([0.5, 0.3])
    W = np.sqrt(e)[:, None] * first_basis(2, 6)
    assert reorthogonalize(W, e) is W


def test_rows_off_their_angle_are_set_right_without_turning_the_first(rng):
    e = np.array([0.5, 0.3, 0.2])
    W = np.sqrt(e)[:, None] * (first_basis(3, 9) + 0.05 * rng.standard_normal((3, 9)))
    fixed = reorthogonalize(W, e)
    assert off_unit(W, e) > 1e-3 and off_unit(fixed, e) < 1e-12
    assert abs(fixed[0] @ W[0]) == pytest.approx(np.linalg.norm(fixed[0]) * np.linalg.norm(W[0]))


def test_dependent_rows_are_replaced(rng):
    e = np.array([0.5, 0.3, 0.2])
    row = rng.standard_normal(9)
    assert off_unit(reorthogonalize(np.stack([row, row, 0 * row]), e), e) < 1e-12


def test_gram_schmidt_keeps_the_span_of_independent_rows(rng):
    R = rng.standard_normal((3, 7))
    Q = gram_schmidt(R)
    np.testing.assert_allclose(Q @ Q.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(R @ Q.T @ Q, R, atol=1e-12)

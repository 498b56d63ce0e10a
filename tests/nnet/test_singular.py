"""Decompositions hold their promises on every way there: SVD, SVD of the transpose, Gram matrix."""

from __future__ import annotations

import numpy as np
import pytest

from nnet.singular import eigh, svd

SHAPES = {
    "tall": (9, 4, 4),
    "wide": (4, 9, 4),
    "rank 2 of 5": (7, 5, 2),
    "wide, rank 1": (3, 8, 1),
    "zero": (4, 3, 0),
}


def failing(monkeypatch, times):
    """Let the first `times` calls of LAPACK's SVD fail; the list grows with every call."""
    calls, true = [], np.linalg.svd

    def fake(m, full_matrices):
        calls.append(m.shape)
        if len(calls) <= times:
            raise np.linalg.LinAlgError("SVD did not converge")
        return true(m, full_matrices=full_matrices)

    monkeypatch.setattr(np.linalg, "svd", fake)
    return calls


@pytest.mark.parametrize("failures, calls", [(0, 1), (1, 2), (2, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SHAPES)
def test_a_matrix_is_decomposed_however_often_lapack_fails(name, dtype, failures, calls, rng, monkeypatch):
    rows, columns, rank = SHAPES[name]
    m = (rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, columns))).astype(dtype)
    expected = np.linalg.svd(m, compute_uv=False)
    made = failing(monkeypatch, failures)
    u, s, vt = svd(m, "m")
    assert len(made) == calls
    k, tolerance = min(rows, columns), 50 * np.finfo(dtype).eps
    assert (u.shape, s.shape, vt.shape) == ((rows, k), (k,), (k, columns))
    assert u.dtype == s.dtype == vt.dtype == dtype
    np.testing.assert_allclose(s, expected, atol=tolerance * max(expected[0], 1))
    assert (np.diff(s) <= 0).all() and (s >= 0).all()
    np.testing.assert_allclose((u * s) @ vt, m, atol=tolerance * max(expected[0], 1))
    np.testing.assert_allclose(u.T @ u, np.eye(k), atol=tolerance)
    np.testing.assert_allclose(vt @ vt.T, np.eye(k), atol=tolerance)


def test_eigenvalues_descend_and_a_little_asymmetry_does_not_matter(rng):
    x = rng.standard_normal((6, 3))
    m = x @ x.T
    values, vectors = eigh(m + np.triu(1e-12 * np.ones((6, 6)), 1), "m")
    assert (np.diff(values) <= 0).all() and np.abs(values[3:]).max() < 1e-10
    np.testing.assert_allclose((vectors * values) @ vectors.T, m, atol=1e-10)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_matrix_that_is_not_finite_is_refused_by_name(value, monkeypatch):
    m = np.eye(3)
    m[1, 2] = value
    with pytest.raises(ValueError, match="the covariance has 1 values of 9 that are NaN or infinite"):
        eigh(m, "the covariance")
    failing(monkeypatch, 9)
    with pytest.raises(ValueError, match="the covariance has 1 values of 9"):
        svd(m, "the covariance")


def test_what_nothing_decomposes_is_refused_by_name(monkeypatch):
    def fail(m):
        raise np.linalg.LinAlgError("Eigenvalues did not converge")

    failing(monkeypatch, 9)
    monkeypatch.setattr(np.linalg, "eigh", fail)
    with pytest.raises(ValueError, match=r"the Gram matrix of W \(2 x 2\) cannot be decomposed: Eigenvalues"):
        svd(np.ones((3, 2)), "W")

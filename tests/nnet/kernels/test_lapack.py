"""Eigenvectors on the host."""

import numpy as np
import pytest

from nnet.kernels import lapack


@pytest.fixture(params=["numpy's", "MKL's"])
def whose(request, monkeypatch):
    if request.param == "numpy's":
        monkeypatch.setattr(lapack, "_solver", lambda: None)
    elif lapack._solver() is None:
        pytest.skip("MKL is not installed")


@pytest.mark.parametrize("n", [1, 2, 20, 81])
def test_eigenvectors_are_columns_in_the_order_of_rising_eigenvalues(rng, whose, n):
    Y = rng.standard_normal((n, n))
    Z = Y + Y.T
    before = Z.copy()
    values, U = lapack.eigh(Z)
    assert np.array_equal(Z, before) and (np.diff(values) >= 0).all()
    np.testing.assert_allclose(U * values @ U.T, Z, atol=1e-12 * n)
    np.testing.assert_allclose(U.T @ U, np.eye(n), atol=1e-12)


def test_what_does_not_converge_is_left_to_numpy(monkeypatch):
    monkeypatch.setattr(lapack, "_solver", lambda: lambda *arguments: 3)
    values, _ = lapack.eigh(np.diag([2.0, 1.0]))
    assert values.tolist() == [1, 2]


def test_the_bits_do_not_depend_on_where_arrays_lie(rng, whose):
    Y = rng.standard_normal((48, 48))
    Z, kept, found = Y + Y.T, [], set()
    for size in rng.integers(1, 400, 40):
        kept.append(np.empty(int(size), np.uint8))  # the next arrays begin elsewhere
        values, U = lapack.eigh(Z)
        found.add(values.tobytes() + U.tobytes())
    assert len(found) == 1

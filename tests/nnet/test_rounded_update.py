"""Float32 products, eigenvectors and updates in Kaldi's order, as mathematics; golden cases have the bits."""

import numpy as np
import pytest

from nnet import OnlineNaturalGradient
from nnet.columns import Columns
from nnet.rounded_blas import (
    dot,
    gram,
    symmetric_times_vector,
    times,
    times_transposed,
    transposed_times,
    transposed_times_vector,
)
from nnet.rounded_eigen import eigen
from nnet.rounded_update import gram_schmidt, inverse_cholesky, rounded_update, total


def real(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("k", [1, 3, 31, 32, 65, 100, 330, 700])
@pytest.mark.parametrize(("m", "n"), [(3, 8), (9, 36), (60, 40)])
def test_products_of_matrices_are_right_up_to_rounding(rng, m, k, n):
    A, B = real(rng, m, k), real(rng, k, n)
    exact, tolerance = A.astype(float) @ B, 2e-6 * np.sqrt(k) + 1e-5
    transposed = np.ascontiguousarray(A.T), np.ascontiguousarray(B.T)
    for product in (times(A, B), transposed_times(transposed[0], B), times_transposed(A, transposed[1])):
        assert product.dtype == np.float32
        np.testing.assert_allclose(product, exact, atol=10 * tolerance)
    np.testing.assert_allclose(gram(A), A.astype(float) @ A.T, atol=10 * tolerance)


@pytest.mark.parametrize("k", [1, 4, 5, 31, 47, 63, 80])
def test_products_with_vectors_are_right_up_to_rounding(rng, k):
    A, S, x = real(rng, k, k + 7), real(rng, k, k), real(rng, k)
    S = np.tril(S) + np.tril(S, -1).T
    half = np.float32(0.5)
    np.testing.assert_allclose(transposed_times_vector(A, x, half), A.T @ x / 2, atol=1e-4)
    np.testing.assert_allclose(symmetric_times_vector(np.tril(S), x, half), S @ x / 2, atol=1e-4)
    np.testing.assert_allclose(dot(A, A), (A.astype(float) ** 2).sum(1), rtol=1e-5)
    assert total(x) == pytest.approx(float(x.sum()), abs=1e-5)


def test_a_sum_is_rounded_after_every_fused_term():
    A = np.array([[1.0, 1.0, -1.0]], np.float32)
    B = np.array([[1.0], [2.0**-25], [1.0]], np.float32)
    assert times(A, B)[0, 0] == 0  # 1 + 2^-25 is 1; exactly the sum would be 2^-25


@pytest.mark.parametrize("n", [1, 2, 3, 12, 55])
@pytest.mark.parametrize("rank", [1, 100])
def test_eigenvectors_diagonalise(rng, n, rank):
    Y = real(rng, n, min(n, rank))
    Z = Y @ Y.T
    C, U = eigen(Z)
    scale = np.abs(C).max()
    assert (np.diff(np.abs(C)) <= 0).all()
    np.testing.assert_allclose(U.T @ U, np.eye(n), atol=1e-5)
    np.testing.assert_allclose(U * C @ U.T, Z, atol=1e-5 * scale)


def test_eigenvectors_of_a_diagonal_matrix_are_units_in_order():
    C, U = eigen(np.diag(np.array([2, -5, 3], np.float32)))
    assert C.tolist() == [-5, 3, 2]
    assert np.array_equal(U, np.eye(3)[:, [1, 2, 0]])


def test_degenerate_and_zero_matrices_pass():
    C, U = eigen(np.zeros((4, 4), np.float32))
    assert not C.any() and np.array_equal(U, np.eye(4))


def test_update_equals_the_usual_one_where_rounding_does_not_decide(rng):
    ng = OnlineNaturalGradient(4)
    for _ in range(6):
        x = (real(rng, 40, 11) * np.linspace(0.3, 2, 11) + 0.5).astype(np.float32)
        if ng.t:
            W, d, rho = rounded_update(x, ng.W, ng.d, ng.rho, alpha=4.0, eta=1 - np.exp(-40 / 2000))
        ng.precondition(x)
    assert not ng.undecided
    np.testing.assert_allclose(d, ng.d, rtol=1e-4)
    np.testing.assert_allclose(W.T @ W, ng.W.T @ ng.W, atol=1e-5)
    assert rho == pytest.approx(ng.rho, rel=1e-4)


def test_few_rows_leave_orthonormal_directions(rng):
    ng = OnlineNaturalGradient(8)
    ng.precondition(real(rng, 3, 20))
    R = ng.W / np.linalg.norm(ng.W, axis=1, keepdims=True)
    assert ng.undecided
    np.testing.assert_allclose(R @ R.T, np.eye(8), atol=1e-4)


def test_spliced_rows_round_like_the_matrix_put_together(rng):
    one, other = OnlineNaturalGradient(8), OnlineNaturalGradient(8)
    x = Columns((real(rng, 3, 9), real(rng, 3, 10)), ones=True)
    one.precondition(x.dense())
    other.projection(x)
    np.testing.assert_allclose(one.W.T @ one.W, other.W.T @ other.W, atol=1e-5)


def test_double_precision_needs_no_rounding(rng):
    ng = OnlineNaturalGradient(8)
    x_hat, scale = ng.precondition(rng.standard_normal((3, 20)))
    assert ng.W.dtype == np.float64 and np.isfinite(x_hat).all() and scale > 1


def test_inverse_cholesky_declines_what_is_not_positive_definite(rng):
    Y = real(rng, 5, 30)
    inverse = inverse_cholesky(gram(Y))
    np.testing.assert_allclose(inverse @ gram(Y) @ inverse.T, np.eye(5), atol=1e-4)
    assert inverse_cholesky(gram(np.vstack([Y, Y[:1]]))) is None
    assert inverse_cholesky(np.float32(1e-6) * np.eye(3, dtype=np.float32)) is None


def test_gram_schmidt_replaces_rows_that_vanish(rng):
    row = real(rng, 1, 9)
    Q = gram_schmidt(np.concatenate([row, np.zeros_like(row), real(rng, 2, 9)]))
    np.testing.assert_allclose(Q @ Q.T, np.eye(4), atol=1e-5)
    np.testing.assert_allclose(Q[0], row[0] / np.linalg.norm(row), rtol=1e-6)

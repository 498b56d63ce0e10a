"""Singular values and eigenvalues of host matrices, found also where LAPACK's SVD does not converge."""

from __future__ import annotations

import numpy as np

Usv = tuple[np.ndarray, np.ndarray, np.ndarray]


def svd(m: np.ndarray, what: str) -> Usv:
    """u (rows, k), s (k,) descending, vt (k, columns) with u diag(s) vt = m, k the lesser size of m.

    Some BLAS kernels fail on sound matrices, but not on their transposes; where both fail the eigenvectors of
    the Gram matrix serve, exact to rounding of the largest singular value. Raises ValueError naming `what`
    if the matrix is not finite or nothing helps.
    """
    try:
        return np.linalg.svd(m, full_matrices=False)
    except np.linalg.LinAlgError:
        check_finite(m, what)
    try:
        v, s, ut = np.linalg.svd(np.ascontiguousarray(m.T), full_matrices=False)
        return ut.T, s, v.T
    except np.linalg.LinAlgError:
        return _by_gram(m, what)


def _by_gram(m: np.ndarray, what: str) -> Usv:
    """The same from the eigenvectors V of m'm: the columns of m V are orthogonal, their lengths are s."""
    if m.shape[0] < m.shape[1]:
        v, s, ut = _by_gram(m.T, what)
        return ut.T, s, v.T
    wide = m.astype(np.float64)
    _, V = eigh(wide.T @ wide, f"the Gram matrix of {what}")
    Q, R = np.linalg.qr(wide @ V)  # orthonormal columns even where s is 0; R is diagonal up to rounding
    s = np.abs(np.diag(R))
    order = np.argsort(-s, kind="stable")
    u = Q * np.where(np.diag(R) < 0, -1.0, 1.0)
    return u[:, order].astype(m.dtype), s[order].astype(m.dtype), V.T[order].astype(m.dtype)


def eigh(m: np.ndarray, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (D,), descending, and eigenvectors (D, D), in columns, of the symmetric part of m (D, D).

    Raises ValueError naming `what` if the matrix is not finite or LAPACK does not converge.
    """
    check_finite(m, what)
    try:
        values, vectors = np.linalg.eigh((m + m.T) / 2)
    except np.linalg.LinAlgError as error:
        raise ValueError(f"{what} ({' x '.join(map(str, m.shape))}) cannot be decomposed: {error}") from None
    return values[::-1], vectors[:, ::-1]


def check_finite(m: np.ndarray, what: str) -> None:
    """Raise ValueError naming `what` if a value is NaN or infinite."""
    bad = int(m.size - np.isfinite(m).sum())
    if bad:
        raise ValueError(f"{what} has {bad} values of {m.size} that are NaN or infinite")

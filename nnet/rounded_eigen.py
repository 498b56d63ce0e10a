"""Eigenvectors of a small symmetric float32 matrix, every operation rounded as in Kaldi.

Kaldi's `SpMatrix::Eig` is Householder tridiagonalisation and the implicit symmetric QR step with Wilkinson's
shift (Golub and Van Loan, Matrix Computations, 3rd ed., algorithms 8.3.1 to 8.3.3), from the last row up, in
the precision of the matrix. What it returns for eigenvalues near zero is made of rounding, so the order of
the operations counts.

`kernels/rounded.c` has both halves too, bit for bit: an update of R = 48 and 96 columns then takes 2 ms, not
33, which was an eighth of a job that trains on 23 small minibatches.
"""

from __future__ import annotations

import numpy as np

from nnet.kernels.compiled import function
from nnet.rounded_blas import REAL, dot, fused, symmetric_times_vector, transposed_times_vector

TINY = np.finfo(REAL).tiny
ONE = REAL(1)


def eigen(Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of Z (R, R) by falling magnitude, eigenvectors as columns; the lower half of Z counts."""
    with np.errstate(all="ignore"):
        diag, off, Q = tridiagonalize(Z)
        diagonalize(diag, off, Q)
    order = np.argsort(-np.abs(diag), kind="stable")
    return diag[order], np.ascontiguousarray(Q[order].T)


def tridiagonalize(Z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Diagonal (R,), the one beside it (R - 1,) and Q (R, R) with T = Q Z Q'."""
    A = np.tril(Z).astype(REAL)
    n = len(A)
    Q, off = np.eye(n, dtype=REAL), np.zeros(n - 1, REAL)
    if run := function("rounded_tridiagonalize", "f"):
        run(A, off, Q, np.empty((5, n), REAL), n)
        return A.diagonal().copy(), off, Q
    for k in range(n - 1, 1, -1):
        row = A[k, :k]
        off[k - 1] = np.sqrt(dot(row, row))
        v, beta = _householder(row)
        if beta == 0:
            continue
        p = symmetric_times_vector(A[:k, :k], v, beta)
        p = fused(REAL(-0.5) * beta * dot(p, v), v, p)
        A[:k, :k] = fused(-p[:, None], v, fused(-v[:, None], p, A[:k, :k]))
        Q[:k] = fused(v[:, None], transposed_times_vector(Q[:k], v, -beta), Q[:k])
    off[:1] = A[1:2, 0]
    return A.diagonal().copy(), off, Q


def _householder(x: np.ndarray) -> tuple[np.ndarray, np.float32]:
    """v with last entry 1 and beta such that (I - beta v v') x has nothing but its last entry."""
    v = x * (ONE / max(TINY, np.abs(x).max()))
    sigma = np.add.accumulate(v[:-1] * v[:-1])[-1]
    last = v[-1]
    v[-1] = 1
    if sigma == 0:
        return v, REAL(0)
    mu = np.sqrt(last * last + sigma)
    v[-1] = last - mu if last <= 0 else -sigma / (last + mu)
    square = v[-1] * v[-1]
    beta = 2 * square / (sigma + square)
    inverse = ONE / v[-1]
    return (v / v[-1] if np.isinf(inverse) else v * inverse), beta


def diagonalize(diag: np.ndarray, off: np.ndarray, Q: np.ndarray) -> None:
    """QR steps until `off` is zero; `diag` becomes the eigenvalues, the rows of Q the eigenvectors."""
    n = len(diag)
    if run := function("rounded_diagonalize", "f"):
        run(diag, off, Q, n)
        return
    patience, epsilon = 100 + 2 * n, REAL(2.0**-23)
    for step in range(500 + 4 * n):
        if step >= patience and (step - patience) % 50 == 0:
            epsilon *= 2
        off[np.abs(off) <= epsilon * (np.abs(diag[:-1]) + np.abs(diag[1:]))] = 0
        (left,) = np.nonzero(off)
        if len(left) == 0:
            return
        end = left[-1] + 2
        zeros = np.flatnonzero(off[: end - 1] == 0)
        start = zeros[-1] + 1 if len(zeros) else 0
        _qr_step(diag[start:end], off[start : end - 1], Q[start:end])


def _qr_step(diag: np.ndarray, off: np.ndarray, Q: np.ndarray) -> None:
    """One implicit QR step in place, for a part without a zero in `off`."""
    n = len(diag)
    x, z = diag[0] - _shift(diag[-2], diag[-1], off[-1]), off[0]
    for k in range(n - 1):
        c, s = _givens(x, z)
        p, q, r = diag[k], off[k], diag[k + 1]
        diag[k] = c * (c * p - s * q) - s * (c * q - s * r)
        off[k] = s * (c * p - s * q) + c * (c * q - s * r)
        diag[k + 1] = s * (s * p + c * q) + c * (s * q + c * r)
        if k > 0:
            off[k - 1] = c * off[k - 1] - s * z
        rows = Q[k : k + 2]
        Q[k : k + 2] = np.float64(c) * rows + rows[::-1] * np.array([[-s], [s]], REAL)
        if k < n - 2:
            x, z = off[k], -s * off[k + 1]
            off[k + 1] = c * off[k + 1]


def _shift(a: np.float32, b: np.float32, off: np.float32) -> np.float32:
    """Wilkinson's shift: the eigenvalue of [[a, off], [off, b]] closer to b."""
    half = (a - b) / REAL(2)
    size = max(abs(half), abs(off), TINY)
    scale = ONE / size
    half, square = half * scale, (off * scale) * (off * scale)
    root = np.sqrt(half * half + square)
    return b - size * square / (half + (root if half > 0 else -root))


def _givens(a: np.float32, b: np.float32) -> tuple[np.float32, np.float32]:
    """c and s of the rotation that turns (a, b) into (r, 0)."""
    if b == 0:
        return ONE, REAL(0)
    if abs(b) > abs(a):
        tau = -a / b
        s = ONE / np.sqrt(ONE + tau * tau)
        return s * tau, s
    tau = -b / a
    c = ONE / np.sqrt(ONE + tau * tau)
    return c, c * tau

"""Products of float32 matrices with the roundings of OpenBLAS's AVX-512 kernels, on any processor.

Where a result is nothing but rounding (`rounded_update`), agreeing with Kaldi takes the order of its sums.
All kernels fuse multiply and add; they differ in what they sum first. Verified bit by bit against OpenBLAS
0.3.21 (one thread); `A @ B` itself may round otherwise on another processor or with another BLAS.
"""

from __future__ import annotations

import numpy as np

from nnet.kernels.compiled import function

REAL = np.float32
DEPTH = 320  # terms of a sum that matrix products take at a time
LANES = 16  # of a vector register
SHORT = 32  # dot products below this length are plain sums in double
SMALL = 10**6  # multiplications up to which a matrix product has kernels of its own
SMALL_OUTPUT = 1200  # entries of A B' up to which a kernel of dot products makes them, if these are long
COLUMNS_AT_ONCE = 48  # of a matrix times a vector


def fused(a: np.ndarray | np.float32, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """a b + c rounded once; the shapes are broadcast."""
    out: np.ndarray = (np.multiply(a, b, dtype=np.float64) + c).astype(REAL)
    return out


def dot(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sum of x y over the last axis (sdot)."""
    n = x.shape[-1]
    short, even = n // SHORT * SHORT, n // 64 * 64
    products = x[..., short:] * y[..., short:]
    tail = np.add.accumulate(products, axis=-1, dtype=np.float64)[..., -1] if short < n else np.float64(0)
    if not short:
        return np.asarray(tail, REAL)[()]
    lead = np.broadcast_shapes(x.shape[:-1], y.shape[:-1])
    sums = np.zeros((*lead, 4, 16), REAL)
    for i in range(0, even, 64):
        sums = fused(_folded(x, i, 64), _folded(y, i, 64), sums)
    sums = sums[..., :8] + sums[..., 8:]
    if even < short:
        sums = fused(_folded(x, even, 32), _folded(y, even, 32), sums)
    eight = sums[..., 0, :] + sums[..., 1, :] + sums[..., 2, :] + sums[..., 3, :]
    four = eight[..., :4] + eight[..., 4:]
    total: np.ndarray = (tail + ((four[..., 0] + four[..., 1]) + (four[..., 2] + four[..., 3]))).astype(REAL)
    return total


def _folded(x: np.ndarray, start: int, width: int) -> np.ndarray:
    return x[..., start : start + width].reshape(*x.shape[:-1], 4, width // 4)


def gram(A: np.ndarray) -> np.ndarray:
    """A A' of A (R, K) (ssyrk)."""
    return _by_blocks(A, np.ascontiguousarray(A.T), multiple=1)


def times(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """A B of A (M, K) and B (K, N) (sgemm)."""
    out = _by_blocks(A, B)
    rest = B.shape[1] % LANES
    if 0 < rest <= LANES // 2 and len(B) >= SHORT and A.size * B.shape[1] <= SMALL:
        out[:, -rest:] = _by_lanes(A, np.ascontiguousarray(B[:, -rest:].T))
    return out


def transposed_times(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """A'B of A (K, M) and B (K, N) (sgemm)."""
    return _by_blocks(np.ascontiguousarray(A.T), B)


def times_transposed(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """A B' of A (M, K) and B (N, K) (sgemm)."""
    (m, k), n = A.shape, len(B)
    if m * n * k > SMALL or m * n > SMALL_OUTPUT or k < SHORT:
        return _by_blocks(A, np.ascontiguousarray(B.T))
    return _by_lanes(A, B)


def _by_lanes(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """A B' of A (M, K) and B (N, K), every entry as a dot product of registers."""
    (m, k), n = A.shape, len(B)
    fill = ((0, 0), (0, -k % LANES))
    A, B = np.pad(A, fill), np.pad(B, fill)
    sums = np.zeros((m, n, LANES), REAL)
    for i in range(0, k, LANES):
        sums = fused(A[:, None, i : i + LANES], B[:, i : i + LANES], sums)
    quads = sums.reshape(m, n, 4, 4)
    out = _pairs(_pairs(quads))
    halves = (quads[..., 0, :] + quads[..., 2, :]) + (quads[..., 1, :] + quads[..., 3, :])
    corner = (halves[..., 0] + halves[..., 2]) + (halves[..., 1] + halves[..., 3])
    out[m // 4 * 4 :, n // 4 * 4 :] = corner[m // 4 * 4 :, n // 4 * 4 :]  # outside the tiles of four
    return out


def _pairs(x: np.ndarray) -> np.ndarray:
    out: np.ndarray = (x[..., 0] + x[..., 1]) + (x[..., 2] + x[..., 3])
    return out


def _by_blocks(A: np.ndarray, B: np.ndarray, multiple: int = LANES) -> np.ndarray:
    """A B, term after term within blocks of at most DEPTH; halves of a rest are rounded up to `multiple`."""
    A, B = np.ascontiguousarray(A, REAL), np.ascontiguousarray(B, REAL)
    out = np.zeros((len(A), B.shape[1]), REAL)
    run, row = function("rounded_block", "f"), np.empty(B.shape[1], REAL)
    start, left = 0, len(B)
    while left:
        half = (left + (multiple == 1)) // 2
        half += -half % multiple
        width = left if left <= DEPTH else DEPTH if left >= 2 * DEPTH else half
        if run:
            run(A[:, start:], A.shape[1], B[start:], out, row, len(A), width, B.shape[1])
        else:
            block = np.zeros_like(out)
            for i in range(start, start + width):
                block = fused(A[:, i, None], B[i], block)
            out += block
        start, left = start + width, left - width
    return out


def transposed_times_vector(A: np.ndarray, x: np.ndarray, alpha: np.float32) -> np.ndarray:
    """alpha A'x for A (k, n) and x (k,) (sgemv)."""
    k, n = A.shape
    terms = np.multiply(A, x[:, None], dtype=np.float64)
    if k <= COLUMNS_AT_ONCE and k != 4:
        return alpha * _running_sum(terms)
    y, start = np.zeros(n, REAL), 0
    uneven = n // 4 * 4 % LANES  # these come first and keep the sums over even and odd columns apart
    for width in [8] * (k // 8) + [b for b in (4, 2, 1) if k & b]:
        part = terms[start : start + width]
        start += width
        total = fused(alpha, _running_sum(part), y)
        if width >= 4:
            halves = _running_sum(part[::2, :uneven]) + _running_sum(part[1::2, :uneven])
            total[:uneven] = y[:uneven] + alpha * halves
        y = total
    rest = n // 4 * 4
    y[rest:] = alpha * _running_sum(terms[:, rest:])
    return y


def _running_sum(terms: np.ndarray) -> np.ndarray:
    """Sum over the rows of exact products (double), rounded after each."""
    total = np.zeros(terms.shape[1], REAL)
    for term in terms:
        total = (term + total).astype(REAL)
    return total


def symmetric_times_vector(A: np.ndarray, v: np.ndarray, beta: np.float32) -> np.ndarray:
    """beta A v for the symmetric A (k, k) of which the lower half counts (sspmv)."""
    n, short = len(v), min(len(v), SHORT)
    dots = np.zeros(n, REAL)
    products = np.tril(A[:short, :short] * v[:short], -1)
    dots[:short] = np.add.accumulate(products, axis=1, dtype=np.float64)[:, -1]
    for i in range(short, n):
        dots[i] = dot(A[i, :i], v[:i])
    p = beta * dots
    terms = np.multiply((beta * v)[:, None], A, dtype=np.float64)
    for i in range(n):
        p[: i + 1] = terms[i, : i + 1] + p[: i + 1]
    return p

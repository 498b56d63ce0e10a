"""Matrices of the host in bfloat16, the upper halves of float32: for products of which a sum is wanted.

A number keeps 8 bits, so that a product of two is wrong by a few thousandths, either way, and the sum of the
squares of 10^5 of them by 10^-5 or so. oneDNN makes such products in half the time of float32, on a
processor that has instructions for them; the bits lie in arrays of uint16.
"""

from __future__ import annotations

import numpy as np

from nnet.kernels import cblas
from nnet.kernels.compiled import function


def pays() -> bool:
    """Whether products of such matrices are faster here."""
    return cblas.bfloat16_gemm() is not None and function("narrow", "f") is not None


def narrow(x: np.ndarray) -> tuple[np.ndarray, float]:
    """x (N, D) in bfloat16, and the squared Frobenius norm of x itself; rounded to even, NaN stays NaN."""
    run = function("narrow", "f")
    if run and x.dtype == np.float32 and x.size and x.strides[1] == x.itemsize:
        y = np.empty(x.shape, np.uint16)
        return y, run(x, y, *x.shape, x.strides[0] // x.itemsize)
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    y = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    y[np.isnan(x)] = 0x7FC0
    return y, float(np.square(x, dtype=np.float64).sum())


def widened(x: np.ndarray) -> np.ndarray:
    """The float32 that bfloat16 stands for."""
    return (x.astype(np.uint32) << 16).view(np.float32)


def multiply_narrow(a: np.ndarray, b: np.ndarray, out: np.ndarray, add: bool = False) -> None:
    """out (m, n), float32, = or += a b for a (m, k) and b (k, n) in bfloat16, by rows or by columns."""
    gemm, left, right, into = cblas.bfloat16_gemm(), *(cblas.lies(x) for x in (a, b, out))
    if gemm is None or left is None or right is None or into is None or into.operation != cblas.PLAIN:
        made = widened(a) @ widened(b)
        np.add(out, made, out=out) if add else np.copyto(out, made)
        return
    operations = cblas.BY_ROWS, left.operation, right.operation
    factors = 1, left.address, left.leading, right.address, right.leading
    gemm(*operations, *out.shape, len(b), *factors, int(add), into.address, into.leading)

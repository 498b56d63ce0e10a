"""Sums over rows and columns of matrices and of their products, without the array of the products.

On a device in kernels of our own: CuPy makes matrix products of `einsum`, one for each row, and refuses them
while a graph is captured.
"""

from __future__ import annotations

import numpy as np

from nnet.backend import Array, array_module
from nnet.cores import by_parts
from nnet.kernels import blocks
from nnet.kernels.compiled import compiled, function
from nnet.kernels.launch import THREADS, elementwise, kernel, on_device
from nnet.kernels.normalise import partial_sums


def row_products(a: Array, b: Array) -> Array:
    """sum_j a[i, j] b[i, j], (N,), for a and b (N, D)."""
    if not on_device(a) or a.dtype != b.dtype or not a.size:
        return array_module(a).einsum("ij,ij->i", a, b)
    a, b = _even(a), _even(b)
    total = array_module(a).empty(len(a), a.dtype)
    apart = [np.int64(x.strides[0] // x.dtype.itemsize) for x in (a, b)]
    arguments = total, a, apart[0], b, apart[1], np.int32(a.shape[1])
    kernel(a, "sums", "row_products")((len(a),), (THREADS,), arguments)
    return total


def column_products(a: Array, b: Array) -> Array:
    """sum_i a[i, j] b[i, j], (D,), for a and b (N, D)."""
    if not on_device(a) or a.dtype != b.dtype or not a.size:
        if compiled("column_products", a, b):
            return blocks.column_totals(a, b)[1]
        return array_module(a).einsum("ij,ij->j", a, b)
    return _totals(a, b)[1]


def column_totals(a: Array, b: Array) -> tuple[Array, Array]:
    """sum_i a[i, j] and sum_i a[i, j] b[i, j], each (D,), of a's type or in float64, for a and b (N, D)."""
    if not on_device(a) or a.dtype != b.dtype or not a.size:
        return blocks.column_totals(a, b)
    total, product = _totals(a, b)
    return total, product


def column_activity(y: Array) -> tuple[Array, Array]:
    """sum_i y[i, j] and how many y[i, j] are positive, each (D,), for y (N, D)."""
    if run := compiled("column_activity", y):
        total, positive = np.empty((2, y.shape[1]))

        def columns(at: slice) -> None:
            run(y[:, at], total[at], positive[at], *y.shape, at.stop - at.start)

        by_parts(columns, y.shape[1], y.size)
        return total, positive
    return y.sum(axis=0), (y > 0).sum(axis=0, dtype=np.int32)


def sumsq(x: Array) -> Array:
    """Squared Frobenius norm of x (N, D), a float64 scalar where x lies: rows in x's precision, their sum in
    float64.
    """
    in_order = type(x) is np.ndarray and x.strides[1] == x.itemsize
    if in_order and (run := function("sum_of_squares", x.dtype.char)):
        return np.float64(run(x, *x.shape, x.strides[0] // x.itemsize))
    return row_products(x, x).sum(dtype=np.float64)


def column_sums(x: Array) -> Array:
    """Sums over the rows of x (N, D); on the host a matrix product, several times faster than `x.sum(0)`."""
    if not on_device(x) or not x.size:
        return array_module(x).ones(len(x), x.dtype) @ x
    return _totals(x, x)[0]


def _totals(a: Array, b: Array) -> Array:
    """(2, D): sums of a and of a b over the rows."""
    xp, columns = array_module(a), a.shape[1]
    part = partial_sums(xp.ascontiguousarray(a), xp.ascontiguousarray(b))
    totals = xp.empty((2, columns), a.dtype)
    elementwise(a, "normalise", "means", columns, totals, part, np.int32(len(part)), np.int32(1))
    return totals


def _even(x: Array) -> Array:
    return x if x.strides[1] == x.dtype.itemsize else array_module(x).ascontiguousarray(x)

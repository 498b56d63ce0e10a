"""Log-softmax forwards and backwards in one launch each, and the cross-entropy of labels in one for both."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnet.backend import Array, array_module
from nnet.cores import by_parts
from nnet.kernels.blocks import apply
from nnet.kernels.compiled import compiled
from nnet.kernels.launch import THREADS, kernel, on_device


def log_softmax(x: Array) -> Array:
    """x - log sum exp x over the last axis."""
    xp = array_module(x)
    if on_device(x) and x.size and x.flags.c_contiguous:
        y = xp.empty_like(x)
        _by_rows("log_softmax", y, x)
        return y
    if x.size and (run := compiled("log_softmax", x)):
        y, columns = np.empty_like(x), x.shape[-1]
        _shared(lambda n, x, y: run(x, y, n, columns), x, y)
        return y
    return apply(_log_softmax, x)


def _log_softmax(x: Array, out: Array) -> None:
    xp = array_module(x)
    highest = x.max(axis=-1, keepdims=True)
    xp.subtract(x, highest, out=out)
    log_sum = xp.log(xp.exp(out, out=out).sum(axis=-1, keepdims=True))
    xp.subtract(x, highest, out=out)  # again: cheaper than a second array
    out -= log_sum


def log_softmax_backward(dy: Array, y: Array, out: Array | None = None) -> Array:
    """dx = dy - exp(y) sum(dy) over the last axis; on the host in `out`, which may be dy, if given."""
    xp = array_module(y)
    if on_device(y) and y.size and y.flags.c_contiguous and dy.flags.c_contiguous and dy.dtype == y.dtype:
        dx = xp.empty_like(y)
        _by_rows("log_softmax_back", dx, dy, y)
        return dx
    if y.size and (run := compiled("log_softmax_back", dy, y, y if out is None else out)):
        dx = np.empty_like(y) if out is None else out
        columns = y.shape[-1]
        _shared(lambda n, dy, y, dx: run(dy, y, dx, n, columns), dy, y, dx)
        return dx
    return apply(_log_softmax_backward, dy, y, out=out)


def _log_softmax_backward(dy: Array, y: Array, out: Array) -> None:
    xp = array_module(y)
    p = xp.exp(y)
    p *= dy.sum(axis=-1, keepdims=True)
    xp.subtract(dy, p, out=out)


def _shared(run: Callable[..., None], *arrays: np.ndarray) -> None:
    """run(n, *arrays) for n rows of them at a time, by all free threads."""
    rows = [a.reshape(-1, a.shape[-1]) for a in arrays]
    by_parts(lambda at: run(at.stop - at.start, *(a[at] for a in rows)), len(rows[0]), rows[0].size)


def _by_rows(function: str, *arrays: Array) -> None:
    x = arrays[0]
    columns = x.shape[-1]
    kernel(x, "softmax", function)((x.size // columns,), (THREADS,), (*arrays, np.int32(columns)))


def labelled(y: Array, at: Array, weight: Array, with_derivative: bool = True) -> tuple[Array, Array | None]:
    """sum_k weight[k] * y.flat[at[k]] in float64, where y lies, and its derivative by y; no place twice.

    `at` (int64) and `weight` (y's type) lie where y does. Without derivative it is neither made nor returned.
    """
    derivative = array_module(y).zeros_like(y) if with_derivative else None
    if derivative is not None:
        derivative.reshape(-1)[at] = weight
    return (y.reshape(-1)[at] * weight).sum(dtype=np.float64), derivative


def cross_entropy(x: Array, at: Array, weight: Array) -> tuple[Array, Array]:
    """What `labelled` gives for y = log-softmax of x over the last axis, with the derivative by x.

    On a device the rows of the places `at` must rise, and neither y nor the derivative by it is made.
    """
    xp = array_module(x)
    if on_device(x) and x.size and x.flags.c_contiguous:
        columns = x.shape[-1]
        total, dx = xp.empty(x.size // columns, np.float64), xp.empty_like(x)
        counts = np.int32(len(at)), np.int32(columns)
        kernel(x, "softmax", "cross_entropy")((len(total),), (THREADS,), (total, dx, x, at, weight, *counts))
        return total.sum(), dx
    y = log_softmax(x)
    value, dy = labelled(y, at, weight)
    return value, log_softmax_backward(dy, y, out=dy)


def label_squares(column: Array, weight: Array, dim: int) -> Array:
    """(dim,) the sum of weight[k]^2, in float64, over the labels k of each column."""
    xp = array_module(weight)
    if not on_device(weight):
        return np.bincount(column, np.square(weight, dtype=np.float64), dim)
    total = xp.empty(dim, np.float64)
    arguments = total, xp.asarray(column, dtype=np.int64), weight, np.int32(len(column))
    kernel(weight, "softmax", "label_squares")((dim,), (THREADS,), arguments)
    return total

"""Log-softmax forwards and backwards in one launch each, and the linear objective of sparse labels in one."""

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
    xp = array_module(y)
    derivative = xp.zeros_like(y) if with_derivative else None
    if on_device(y) and y.flags.c_contiguous:
        total = xp.empty((), np.float64)
        places = (y if derivative is None else derivative), y, at, weight
        counts = np.int32(len(at)), np.int32(with_derivative)
        kernel(y, "softmax", "labelled")((1,), (THREADS,), (total, *places, *counts))
        return total, derivative
    if derivative is not None:
        derivative.reshape(-1)[at] = weight
    return (y.reshape(-1)[at] * weight).sum(dtype=np.float64), derivative

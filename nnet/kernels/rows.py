"""Rows of (T, N, D) arrays copied, scaled and added between ranges of columns, in one launch each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from nnet.backend import Array, array_module
from nnet.cores import by_parts
from nnet.frames import Rows
from nnet.kernels.compiled import function
from nnet.kernels.launch import elementwise, on_device


def put(x: Array, at: Rows, columns: slice, part: Array, scale: float = 1.0, add: bool = False) -> None:
    """x[at, :, columns] = scale * part, or += with `add`, for part (T, N, D); no row of x twice."""
    if isinstance(at, slice) and on_device(x) and part.dtype == x.dtype:
        _move(x[at, :, columns], part, scale, add)
        return
    if isinstance(at, slice) and (scale != 1.0 or add):
        _scaled(x[at, :, columns], part, scale, add)
        return
    if scale != 1.0:
        part = part * scale
    if add:
        x[at, :, columns] += part
    else:
        x[at, :, columns] = part


def _scaled(y: Array, x: Array, scale: float, add: bool) -> None:
    """y = scale x, or y += scale x, for arrays (T, N, D)."""
    xp = array_module(y)
    alike = y.shape == x.shape and y.dtype == x.dtype
    if (
        xp is np
        and alike
        and y.strides[2] == x.strides[2] == y.itemsize
        and (run := function("scaled_rows", y.dtype.char))
    ):

        def rows(at: slice) -> None:
            run(y[at], *_steps(y), x[at], *_steps(x), at.stop - at.start, *y.shape[1:], scale, add)

        by_parts(rows, len(y), y.size)
    elif not add:
        xp.multiply(x, y.dtype.type(scale), out=y)
    else:
        y += x if scale == 1.0 else x * scale


def add_scaled(y: Array, x: Array, scale: Array) -> None:
    """y += scale x for y and x (N, D), in one pass on the host; x may be used up."""
    if array_module(y) is np:
        _scaled(y[None], x[None], float(scale), add=True)
    else:
        x *= scale
        y += x


def put_sum(x: Array, at: Rows, columns: slice, *parts: tuple[Array, float]) -> None:
    """x[at, :, columns] = the sum of the two `parts` (T, N, D), each times its scale; no row of x twice."""
    (a, p), (b, q) = parts
    if isinstance(at, slice) and array_module(x) is np:
        y = x[at, :, columns]
        alike = y.shape == a.shape == b.shape and y.dtype == a.dtype == b.dtype
        in_order = y.strides[2] == a.strides[2] == b.strides[2] == y.itemsize
        if alike and in_order and (run := function("sum_of_rows", y.dtype.char)):

            def rows(at: slice) -> None:
                steps = _steps(y), _steps(a), _steps(b)
                shape = at.stop - at.start, *y.shape[1:]
                run(y[at], *steps[0], a[at], *steps[1], p, b[at], *steps[2], q, *shape)

            by_parts(rows, len(y), y.size)
            return
    put(x, at, columns, a, p)
    put(x, at, columns, b, q, add=True)


def _steps(x: Array) -> tuple[int, int]:
    return x.strides[0] // x.itemsize, x.strides[1] // x.itemsize


def near(at: Rows, x: Array) -> Rows:
    """`at` for indexing x: an index array goes where x lies, once for all minibatches."""
    return at if isinstance(at, slice) else constant(at, x)


def constant(values: np.ndarray, like: Array) -> Array:
    """An array of the host where `like` lies, sent there once for all minibatches; not to be changed."""
    if array_module(like) is np:
        return values
    return _uploaded(array_module(like), values.tobytes(), values.dtype.str, values.shape)


def joined(arrays: Sequence[Array], axis: int = 0) -> Array:
    """The arrays one after the other along an axis; on a device without CuPy's list of their addresses."""
    first = arrays[0]
    if not on_device(first):
        return array_module(first).concatenate(arrays, axis=axis)
    shape = [*first.shape]
    shape[axis] = sum(a.shape[axis] for a in arrays)
    whole, at = array_module(first).empty(tuple(shape), first.dtype), 0
    for a in arrays:
        whole[(slice(None),) * axis + (slice(at, at + a.shape[axis]),)] = a
        at += a.shape[axis]
    return whole


@cache  # small, and captured graphs go on reading them
def _uploaded(cupy: ModuleType, values: bytes, dtype: str, shape: tuple[int, ...]) -> Any:
    return cupy.asarray(np.frombuffer(values, dtype).reshape(shape))


def _move(y: Array, x: Array, scale: float, add: bool) -> None:
    shape = np.int32(y.shape[1]), np.int32(y.shape[2])
    how = y.dtype.type(scale), np.int32(add)
    elementwise(y, "rows", "move", y.size, y, *_strides(y), x, *_strides(x), *shape, *how)


def _strides(x: Array) -> tuple[np.int64, ...]:
    return tuple(np.int64(s // x.dtype.itemsize) for s in x.strides)


def add_repeated(y: Array, at: Rows, part: Array, scale: float = 1.0) -> None:
    """y[at[i]] += scale * part[i] for y (T, N, D) and part (T', N, D); the indexes `at` may repeat."""
    assert not isinstance(at, slice)
    if on_device(y) and part.dtype == y.dtype:
        order, first = _sorted(array_module(y), at.tobytes(), at.dtype.str, len(y))
        lists = order, first, np.int32(y.shape[1]), np.int32(y.shape[2]), y.dtype.type(scale)
        elementwise(y, "rows", "add_sorted", y.size, y, *_strides(y), part, *_strides(part), *lists)
        return
    if scale != 1.0:
        part = part * scale
    for i, row in enumerate(at):  # whole rows: 7 times faster than np.add.at
        y[row] += part[i]


@cache
def _sorted(cupy: ModuleType, at: bytes, dtype: str, rows: int) -> tuple[Any, Any]:
    """On the device: indexes into `at` sorted by row, and where those of each row start, (rows + 1,)."""
    target = np.frombuffer(at, dtype)
    order = np.argsort(target, kind="stable").astype(np.int32)
    first = np.searchsorted(target[order], np.arange(rows + 1)).astype(np.int32)
    return cupy.asarray(order), cupy.asarray(first)

"""Elementwise work in blocks of rows that fit in a cache: several passes cost little more than one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from nnet.backend import Array, array_module
from nnet.cores import by_parts
from nnet.kernels.compiled import compiled

CACHE = 2**19  # bytes; of 2^15 ... 2^21, batch normalisation of (2080, 768) ran fastest from 2^17 to 2^19


def blocks(x: Array) -> Iterator[slice]:
    """Slices that cover the rows of x (rows, ...), of half a megabyte, on a device all at once."""
    rows = len(x)
    step = max(1, CACHE // max(1, x[:1].nbytes)) if array_module(x) is np else max(1, rows)
    return (slice(start, min(start + step, rows)) for start in range(0, max(1, rows), step))


def sums(x: Array, work: Callable[[slice], Sequence[Array]]) -> list[Array]:
    """The arrays that `work` gives for a block, each summed over the blocks of the rows of x."""
    return [sum(parts[1:], parts[0]) for parts in zip(*map(work, blocks(x)))]


def apply(f: Callable[..., Any], *arrays: Array, out: Array | None = None) -> Array:
    """A new array, or `out`, each block of its rows filled by f(*blocks of `arrays`, out=...)."""
    y = array_module(arrays[0]).empty_like(arrays[0]) if out is None else out
    for at in blocks(y):
        f(*(a[at] for a in arrays), out=y[at])
    return y


def column_totals(a: Array, b: Array) -> tuple[Array, Array]:
    """sum_i a[i, j] and sum_i a[i, j] b[i, j], each (D,), of a's type or in float64, for a and b (N, D)."""
    if run := compiled("column_products", a, b):
        total, product = np.empty((2, a.shape[1]))

        def columns(at: slice) -> None:
            run(a[:, at], b[:, at], total[at], product[at], *a.shape, at.stop - at.start)

        by_parts(columns, a.shape[1], a.size)
        return total, product
    xp = array_module(a)
    total, product = sums(a, lambda at: (a[at].sum(axis=0), xp.einsum("ij,ij->j", a[at], b[at])))
    return total, product

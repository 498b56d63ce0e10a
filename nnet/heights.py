"""Columns of an image: windows over neighbouring heights, and which time and height offsets a filter has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from nnet.backend import Array, array_module

Offsets = tuple[tuple[int, int], ...]  # (time offset, height offset), rising


@dataclass(frozen=True)
class Run:
    """Offsets of one time and `count` consecutive heights from `height` on; their weights: W[:, columns]."""

    time: int
    height: int
    count: int
    columns: slice


def runs(offsets: Offsets, filters: int) -> Iterator[Run]:
    """The longest runs in sorted offsets; each offset has `filters` columns of weights."""
    start = 0
    for k in range(1, len(offsets) + 1):
        time, height = offsets[k - 1]
        if k == len(offsets) or offsets[k] != (time, height + 1):
            columns = slice(start * filters, k * filters)
            yield Run(time, offsets[start][1], k - start, columns)
            start = k


def times(offsets: Offsets) -> tuple[int, ...]:
    """The time offsets, each once, rising."""
    return tuple(sorted({t for t, _ in offsets}))


def padded(x: Array, below: int, above: int) -> Array:
    """x (T, N, H, F) with zero heights added at both ends; x itself if there is nothing to add."""
    if not below and not above:
        return x
    T, N, H, F = x.shape
    grid = array_module(x).zeros((T, N, below + H + above, F), x.dtype)
    grid[:, :, below : below + H] = x
    return grid


def windows(grid: Array, first: int, count: int, step: int, number: int) -> Array:
    """Heights first + j step ... + count - 1 of grid (T, N, H, F), for j < number: (number, T N, count F).

    A view that shares heights among windows; to be read only.
    """
    T, N, H, F = grid.shape
    rows = array_module(grid).ascontiguousarray(grid).reshape(T * N, H, F)
    row, height, filter_ = rows.strides
    return array_module(grid).lib.stride_tricks.as_strided(
        rows[:, first:], (number, T * N, count * F), (step * height, row, filter_)
    )


def product(seen: Array, V: Array, n: int) -> Array:
    """Windows times V (count F, G), one matrix product per height: (T, n, number, G)."""
    xp = array_module(seen)
    number, rows, _ = seen.shape
    y = xp.empty((rows, number, V.shape[1]), seen.dtype)
    xp.matmul(seen, V, out=y.transpose(1, 0, 2))
    return y.reshape(rows // n, n, number, V.shape[1])


def _rises(values: Sequence[Any]) -> bool:
    return all(a < b for a, b in pairwise(values))


def check_offsets(
    offsets: Offsets, required: tuple[int, ...], height_in: int, height_out: int, subsample: int
) -> None:
    """Raise ValueError for offsets that see nothing, or too little (Kaldi: ConvolutionModel::Check)."""
    if not offsets or not _rises(offsets):
        raise ValueError(f"offsets {offsets} must be different and rising")
    if not required or not _rises(required):
        raise ValueError(f"required time offsets {required} must be different and rising, at least one")
    if not set(required) <= set(times(offsets)):
        raise ValueError(
            f"required time offsets {required} are not all among the time offsets {times(offsets)}"
        )
    if subsample <= 0:
        raise ValueError(f"height-subsample-out={subsample} is not positive")
    used = set()
    for h in range(0, height_out * subsample, subsample):
        seen = [o for o in offsets if 0 <= h + o[1] < height_in]
        if not any(t in required for t, _ in seen):
            raise ValueError(
                f"output height {h // subsample} sees no input at required times (height-in={height_in}, "
                f"height-out={height_out}, height-subsample-out={subsample})"
            )
        used.update(seen)
    for time, height in offsets:
        if (time, height) not in used:
            raise ValueError(f"the offset of time {time} and height {height} always lies outside the input")

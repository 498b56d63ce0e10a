"""Derivatives limited to a range of frames; outside they count as zero (Kaldi's LimitDerivativeTimes)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

from nnet.backend import Array, array_module
from nnet.component import Io

Times = tuple[int, int]  # first and last frame whose derivatives are kept
NO_MINIMUM, NO_MAXIMUM = -(2**31), 2**31 - 1


def limits(first: int, last: int, last_relative: int, last_output: int) -> Times | None:
    """The frames whose derivatives are kept, or None for all, from Kaldi's options min-deriv-time,
    max-deriv-time and max-deriv-time-relative, which counts from the last frame of any output, and replaces
    max-deriv-time.

    Raises ValueError if the range is empty.
    """
    if last_relative != NO_MAXIMUM:
        last = last_relative + last_output
    if (first, last) == (NO_MINIMUM, NO_MAXIMUM):
        return None
    if last < first:
        raise ValueError(
            f"min-deriv-time={first} is above max-deriv-time={last}: no derivative would be left"
        )
    return first, last


def inside(frames: Sequence[int], times: Times | None) -> slice:
    """The rows of rising `frames` that lie in the range."""
    if times is None:
        return slice(0, len(frames))
    return slice(bisect_left(frames, times[0]), bisect_right(frames, times[1]))


def is_all(rows: slice, frames: Sequence[int]) -> bool:
    """Whether `rows` are all rows."""
    return bool(rows.stop - rows.start == len(frames))


def zeroed(x: Array, rows: slice) -> Array:
    """A copy of x that is zero but in `rows`."""
    kept = array_module(x).zeros(x.shape, x.dtype)
    kept[rows] = x[rows]
    return kept


def rows_of(memo: Any, rows: slice) -> Any:
    """The part of a memo that belongs to `rows`: None, arrays with time first, or tuples of these."""
    if memo is None:
        return None
    return tuple(rows_of(part, rows) for part in memo) if isinstance(memo, tuple) else memo[rows]


def part_of(io: Io, rows: slice) -> Io:
    """The Io of a call on `rows` only, for a component that reads just the frame that it computes."""
    frames = io.t_out[rows]
    return Io(frames, frames, io.n, io.seed)

"""Where frames lie: positions of wanted frames among sorted frames."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from math import gcd

import numpy as np

Rows = slice | np.ndarray  # positions along the first axis


def rows(have: Sequence[int], want: Sequence[int]) -> Rows:
    """Positions of the frames `want` within the sorted frames `have`.

    A slice when the positions are evenly spaced and rising, so that indexing is a view; else an index array.
    Raises KeyError naming the first frame that is missing.
    """
    index = {t: i for i, t in enumerate(have)}
    return as_rows([index[t] for t in want])


def as_rows(positions: Sequence[int]) -> Rows:
    """`positions` as a slice if evenly spaced and rising, else as an index array."""
    if len(positions) == 0:
        return slice(0, 0)
    first, step = positions[0], positions[1] - positions[0] if len(positions) > 1 else 1
    if step > 0 and list(positions) == list(range(first, positions[-1] + 1, step)):
        return slice(first, positions[-1] + 1, step)
    return np.asarray(positions, dtype=np.intp)


def rows_around(rows: slice, blocks: Sequence[slice]) -> slice | None:
    """Which of the `blocks` of rows, which rise, holds all of `rows`; None if none does."""
    at = bisect_right(blocks, rows.start, key=lambda block: block.start) - 1
    return blocks[at] if at >= 0 and rows.stop <= blocks[at].stop else None


@lru_cache(maxsize=4096)
def shifted_rows(have: tuple[int, ...], want: tuple[int, ...], offset: int) -> Rows:
    """Positions of the frames want + offset within `have`; kept, since every minibatch asks again."""
    return rows(have, [t + offset for t in want])


@lru_cache(maxsize=4096)
def overlapping_rows(have: tuple[int, ...], want: tuple[int, ...], offset: int) -> tuple[Rows, Rows]:
    """Positions in `want` of the frames t with t + offset in `have`, and positions of t + offset there."""
    index = {t: i for i, t in enumerate(have)}
    pairs = [(i, index[t + offset]) for i, t in enumerate(want) if t + offset in index]
    return as_rows([i for i, _ in pairs]), as_rows([j for _, j in pairs])


@lru_cache(maxsize=4096)
def evenly_spaced(frames: tuple[int, ...]) -> tuple[int, ...]:
    """The sorted `frames` and those between them that make all steps equal: the largest step that does it."""
    step = gcd(*(b - a for a, b in pairwise(frames)))
    return tuple(range(frames[0], frames[-1] + 1, step)) if step else frames

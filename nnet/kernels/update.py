"""L2, limits on the change, update and momentum of all parameters in one array: two passes, or two launches.

Parameters w and their change d lie in chunks of CHUNK, no chunk belonging to two components. What is decided
(the scale of every component's change, whether all is finite) stays where the arrays lie.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from nnet.backend import Array, array_module
from nnet.cores import by_parts
from nnet.kernels.launch import THREADS, kernel, on_device
from nnet.kernels.sums import sumsq

CHUNK = 8192  # elements that one block of threads takes
BLOCK = 8 * CHUNK  # elements that numpy takes at once: they stay in the cache


@dataclass(frozen=True, eq=False)
class Table:
    """Per component: its first chunk (n + 1,), -2 * learning rate * l2-regularize, max-change (0: none)."""

    first: np.ndarray
    l2: np.ndarray
    max_change: np.ndarray


@dataclass(eq=False)
class Decision:
    """What `limits` decides: factors (n,) of the changes, good (1,), and how often limits acted, (n + 1,)."""

    table: Table
    factors: Array
    good: Array
    counts: Array
    scratch: tuple[Array, ...] = ()  # on a device: the table, sums of chunks, a counter

    @cached_property
    def blocks(self) -> tuple[np.ndarray, list[slice]]:
        """What numpy takes at once, and the component that each belongs to."""
        first = self.table.first * CHUNK
        found = [
            (c, slice(at, min(at + BLOCK, stop)))
            for c, (start, stop) in enumerate(pairwise(first.tolist()))
            for at in range(start, stop, BLOCK)
        ]
        return np.array([c for c, _ in found], np.intp), [at for _, at in found]


@dataclass(frozen=True)
class Limits:
    """Settings of one update: changes are multiplied by `scale`, L2 by `l2_scale`; the rest as in Pass."""

    scale: float
    l2_scale: float
    max_change_scale: float
    max_param_change: float


def decision(w: Array, table: Table) -> Decision:
    """Room for decisions where w lies."""
    xp, n = array_module(w), len(table.l2)
    factors, counts = xp.ones(n, np.float64), xp.zeros(n + 1, np.float64)
    good = xp.ones(1, np.int32)
    if not on_device(w):
        return Decision(table, factors, good, counts)
    owner = np.repeat(np.arange(n, dtype=np.int32), np.diff(table.first))
    there = [xp.asarray(a) for a in (owner, table.first.astype(np.int32), table.l2, table.max_change)]
    there += [xp.empty(len(owner), np.float64), xp.zeros(1, np.int32)]
    return Decision(table, factors, good, counts, tuple(there))


def limits(held: Decision, d: Array, w: Array, sound: Array, how: Limits) -> None:
    """d += L2 of w, then decide; `sound` (1,) int32 is 0 if the minibatch is bad anyway."""
    n = len(held.table.l2)
    if not on_device(d):
        _limits(held, d, w, bool(sound[0]), how)
        return
    settings = (how.l2_scale, how.scale, how.max_change_scale, how.max_param_change)
    owner, first, l2, max_change, part, arrived = held.scratch
    arrays = d, w, owner, first, l2, max_change, part, arrived, sound, held.factors, held.counts, held.good
    numbers = *(np.float64(s) for s in settings), np.int32(n)
    kernel(d, "update", "limits")((len(owner),), (THREADS,), (*arrays, *numbers))


def _limits(held: Decision, d: Array, w: Array, sound: bool, how: Limits) -> None:
    table = held.table
    pulls = (how.l2_scale * table.l2).astype(d.dtype)
    owner, blocks = held.blocks
    squares = np.zeros(len(blocks))

    def add_l2(part: slice) -> None:
        scratch = np.empty(BLOCK, w.dtype)
        for i in range(part.start, part.stop):
            x, pull = d[blocks[i]], pulls[owner[i]]
            if pull != 0:
                x += np.multiply(w[blocks[i]], pull, out=scratch[: len(x)])
            squares[i] = sumsq(x[None])

    by_parts(add_l2, len(blocks), d.size)
    sizes = abs(how.scale) * np.sqrt(np.bincount(owner, squares, len(table.l2)))
    allowed, most = table.max_change * how.max_change_scale, how.max_param_change * how.max_change_scale
    limited = (table.max_change != 0) & (sizes > allowed)
    held.factors[:] = np.where(limited, allowed / np.where(limited, sizes, 1.0), 1.0)
    whole = math.sqrt(float(((held.factors * sizes) ** 2).sum()))
    above = how.max_param_change != 0 and whole > most
    held.good[0] = sound and np.isfinite(sizes).all()
    if held.good[0]:
        held.counts[:-1] += limited
        held.counts[-1] += above
        held.factors *= how.scale * (most / whole) if above else how.scale
    else:
        held.factors[:] = 0


def apply(held: Decision, w: Array, d: Array, momentum: float) -> None:
    """w += factor * d, then d *= momentum; where the change is not good w stays and d becomes zero."""
    real = w.dtype.type
    if on_device(w):
        owner = held.scratch[0]
        arguments = w, d, owner, held.factors, held.good, real(momentum)
        kernel(w, "update", "apply")((len(owner),), (THREADS,), arguments)
        return
    if not held.good[0]:
        d[...] = 0
        return
    owner, blocks = held.blocks
    factors = held.factors.astype(w.dtype)

    def move(part: slice) -> None:
        scratch = np.empty(BLOCK, w.dtype)
        for i in range(part.start, part.stop):
            x = d[blocks[i]]
            w[blocks[i]] += np.multiply(x, factors[owner[i]], out=scratch[: len(x)])
            if momentum == 0:
                x[...] = 0
            else:
                x *= real(momentum)

    by_parts(move, len(blocks), d.size)

"""Copies carried out: forwards into the input of a node, backwards into the derivatives of its sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from nnet.backend import Array, array_module
from nnet.columns import Columns, Windows
from nnet.component import flat
from nnet.graph.steps import Copy, Gather
from nnet.kernels import rows

WIDE = 64  # columns; where copies begin to pay was not measured


def gather(g: Gather, T: int, ys: Mapping[str, Array], like: Array) -> Array:
    """The input (T, N, dim) of a node from outputs `ys` of others; `like` gives N, dtype and device."""
    if g.alias:
        only = g.copies[0]
        return ys[only.source][only.src]
    x = array_module(like).empty((T, like.shape[1], g.dim), like.dtype)
    fill(x, g)
    run_copies(g.copies, x, ys)
    return x


def spliced(g: Gather, ys: Mapping[str, Array]) -> Columns | None:
    """The input of a node that reads whole rows of others side by side, without a copy; None if copies pay.

    They do where blocks are narrow. (Of 60 ms of copies in a minibatch of tdnn, 1250 ms, 6 are left.)
    """
    if not g.spliced or min(c.columns.stop - c.columns.start for c in g.copies) < WIDE:
        return None
    sources = [ys[c.source] for c in g.copies]
    if not all(y.flags.c_contiguous for y in sources):
        return None
    N, rows = sources[0].shape[1], [c.src for c in g.copies]
    if len({c.source for c in g.copies}) > 1:
        return Columns([flat(y[at]) for y, at in zip(sources, rows)])
    starts = tuple(at.start * N for at in rows if isinstance(at, slice))
    return Columns(Windows(flat(sources[0]), starts, len(sources[0][rows[0]]) * N))


def fill(x: Array, g: Gather) -> None:
    """Write the constants of a gather."""
    for f in g.fills:
        x[f.rows, :, f.columns] = f.value


def run_copies(copies: Iterable[Copy], x: Array, ys: Mapping[str, Array]) -> None:
    """Copy, or add, rows of `ys` to rows of x; what is added right after a copy goes along with it."""
    first: Copy | None = None
    for c in copies:
        if first is not None and c.add and _same_place(c, first):
            parts = (_part(first, ys), first.scale), (_part(c, ys), c.scale)
            rows.put_sum(x, c.dst, c.columns, *parts)
            first = None
            continue
        if first is not None:
            _run_copy(first, x, ys)
        first = c
    if first is not None:
        _run_copy(first, x, ys)


def _same_place(c: Copy, first: Copy) -> bool:
    same = isinstance(c.dst, slice) and isinstance(first.dst, slice) and c.dst == first.dst
    return same and c.columns == first.columns and not first.add


def _part(c: Copy, ys: Mapping[str, Array]) -> Array:
    source = ys[c.source]
    return source[rows.near(c.src, source), :, c.source_columns]


def _run_copy(c: Copy, x: Array, ys: Mapping[str, Array]) -> None:
    rows.put(x, rows.near(c.dst, x), c.columns, _part(c, ys), c.scale, c.add)


def add_back(c: Copy, dx: Array, dy: Array) -> None:
    """Add to dy, the derivative of the copy's source, what comes back through the copy from dx. In place."""
    part = dx[rows.near(c.dst, dx), :, c.columns]
    if c.repeats:
        rows.add_repeated(dy[:, :, c.source_columns], c.src, part, c.scale)
    else:
        rows.put(dy, rows.near(c.src, dy), c.source_columns, part, c.scale, add=True)


class Gradients:
    """Derivatives of the objective by node output, accumulated over their readers.

    The first contribution is kept as it is, without a copy; it may be somebody else's array, so a second one
    makes a new sum. Only sums of our own, and arrays that nobody else reads, are changed in place.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.shapes = shapes  # of the outputs of all nodes
        self.held: dict[str, Array] = {}
        self.own: set[str] = set()
        self.waiting: dict[str, tuple[Copy, Array]] = {}  # a first contribution by part of the rows

    def add(self, c: Copy, dx: Array, free: bool = False) -> None:
        """Take back through the copy `c` what arrives in dx, which nobody else reads if it is `free`."""
        name = c.source
        if c.whole and isinstance(c.dst, slice) and (c.scale == 1.0 or name not in self.own):
            part = dx[c.dst, :, c.columns]
            self.add_whole(name, part if c.scale == 1.0 else part * c.scale, free or c.scale != 1.0)
        elif name not in self.held and name not in self.waiting and self._fills_rows(c):
            self.waiting[name] = c, dx
        else:
            add_back(c, dx, self.owned(name, dx))

    def _fills_rows(self, c: Copy) -> bool:
        """Whether what comes back covers a run of whole rows, so that zeros are needed around it only."""
        whole = c.source_columns == slice(0, self.shapes[c.source][2])
        return whole and isinstance(c.src, slice) and c.src.step == 1

    def _begin(self, name: str) -> None:
        """Make what waits a sum of our own: a third of the traffic of adding to zeros."""
        if name not in self.waiting:
            return
        c, dx = self.waiting.pop(name)
        assert isinstance(c.src, slice)
        total = array_module(dx).empty(self.shapes[name], dx.dtype)
        total[: c.src.start] = 0
        total[c.src.stop :] = 0
        rows.put(total, c.src, c.source_columns, dx[rows.near(c.dst, dx), :, c.columns], c.scale)
        self.held[name] = total
        self.own.add(name)

    def add_whole(self, name: str, dy: Array, free: bool = False) -> None:
        """Take a derivative by the whole output of a node; `dy` is changed only if it is `free`."""
        if not free:
            self._begin(name)
        if name in self.own:
            self.held[name] += dy
            return
        if name in self.held:
            other = self.held[name]
            dy = np.add(other, dy, out=dy) if free else other + dy
            free = True
        self.held[name] = dy
        if free:
            self.own.add(name)
        if name in self.waiting:
            c, dx = self.waiting.pop(name)
            add_back(c, dx, dy)

    def room(self, c: Copy, like: Array) -> tuple[Array, bool]:
        """The rows of a derivative that come back through `c`, of whole rows, and whether to add to them."""
        name = c.source
        if name in self.held or name in self.waiting:
            return self.owned(name, like)[c.src], True
        total = array_module(like).empty(self.shapes[name], like.dtype)
        assert isinstance(c.src, slice)
        total[: c.src.start] = 0
        total[c.src.stop :] = 0
        self.held[name] = total
        self.own.add(name)
        return total[c.src], False

    def owned(self, name: str, like: Array) -> Array:
        """The derivative by node `name` as an array that may be changed; `like` gives dtype and device."""
        self._begin(name)
        if name not in self.held:
            self.held[name] = array_module(like).zeros(self.shapes[name], like.dtype)
        elif name not in self.own:
            self.held[name] = self.held[name].copy()
        self.own.add(name)
        return self.held[name]

    def get(self, name: str) -> Array | None:
        """The derivative by node `name`, or None if nothing arrived."""
        self._begin(name)
        return self.held.get(name)

    def pop(self, name: str) -> tuple[Array | None, bool]:
        """The derivative by node `name`, C-contiguous, or None if nothing arrived; it is forgotten here.

        And whether nobody else reads it.
        """
        self._begin(name)
        own = name in self.own
        self.own.discard(name)
        dy = self.held.pop(name, None)
        if dy is None or dy.flags.c_contiguous:
            return dy, own
        return array_module(dy).ascontiguousarray(dy), True


def check_input(name: str, x: Array, frames: int, dim: int) -> None:
    """Raise ValueError unless x is a floating array of shape (frames, N, dim)."""
    shape = getattr(x, "shape", None)
    if shape is None or len(shape) != 3 or shape[0] != frames or shape[2] != dim:
        raise ValueError(f"{name} has shape {shape}, the plan expects (T, N, D) = ({frames}, N, {dim})")
    if not np.issubdtype(x.dtype, np.floating) or not x.dtype.isnative:
        raise ValueError(f"{name} has type {x.dtype}, not a floating-point one of this machine")

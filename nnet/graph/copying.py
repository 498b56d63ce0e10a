"""Copies carried out: forwards into the input of a node, backwards into the derivatives of its sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from nnet.backend import Array, array_module
from nnet.graph.steps import Copy, Gather
from nnet.kernels import rows


def gather(g: Gather, T: int, ys: Mapping[str, Array], like: Array) -> Array:
    """The input (T, N, dim) of a node from outputs `ys` of others; `like` gives N, dtype and device."""
    if g.alias:
        only = g.copies[0]
        return ys[only.source][only.src]
    x = array_module(like).empty((T, like.shape[1], g.dim), like.dtype)
    fill(x, g)
    run_copies(g.copies, x, ys)
    return x


def fill(x: Array, g: Gather) -> None:
    """Write the constants of a gather."""
    for f in g.fills:
        x[f.rows, :, f.columns] = f.value


def run_copies(copies: Iterable[Copy], x: Array, ys: Mapping[str, Array]) -> None:
    """Copy, or add, rows of `ys` to rows of x."""
    for c in copies:
        source = ys[c.source]
        part = source[rows.near(c.src, source), :, c.source_columns]
        rows.put(x, rows.near(c.dst, x), c.columns, part, c.scale, c.add)


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
    makes a new sum. Only sums of our own are changed in place.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.shapes = shapes  # of the outputs of all nodes
        self.held: dict[str, Array] = {}
        self.own: set[str] = set()

    def add(self, c: Copy, dx: Array) -> None:
        """Take back through the copy `c` what arrives in dx."""
        if c.whole and isinstance(c.dst, slice):
            part = dx[c.dst, :, c.columns]
            self.add_whole(c.source, part if c.scale == 1.0 else part * c.scale)
        elif c.source not in self.held and self._fills_rows(c):
            self._begin(c, dx)
        else:
            add_back(c, dx, self.owned(c.source, dx))

    def _fills_rows(self, c: Copy) -> bool:
        """Whether what comes back covers a run of whole rows, so that zeros are needed around it only."""
        whole = c.source_columns == slice(0, self.shapes[c.source][2])
        return whole and isinstance(c.src, slice) and c.src.step == 1

    def _begin(self, c: Copy, dx: Array) -> None:
        """A sum of our own that starts with what comes back: a third of the traffic of adding to zeros."""
        assert isinstance(c.src, slice)
        total = array_module(dx).empty(self.shapes[c.source], dx.dtype)
        total[: c.src.start] = 0
        total[c.src.stop :] = 0
        rows.put(total, c.src, c.source_columns, dx[rows.near(c.dst, dx), :, c.columns], c.scale)
        self.held[c.source] = total
        self.own.add(c.source)

    def add_whole(self, name: str, dy: Array) -> None:
        """Take a derivative by the whole output of a node; `dy` itself is never changed."""
        if name not in self.held:
            self.held[name] = dy
        elif name in self.own:
            self.held[name] += dy
        else:
            self.held[name] = self.held[name] + dy
            self.own.add(name)

    def owned(self, name: str, like: Array) -> Array:
        """The derivative by node `name` as an array that may be changed; `like` gives dtype and device."""
        if name not in self.held:
            self.held[name] = array_module(like).zeros(self.shapes[name], like.dtype)
        elif name not in self.own:
            self.held[name] = self.held[name].copy()
        self.own.add(name)
        return self.held[name]

    def pop(self, name: str) -> Array | None:
        """The derivative by node `name`, C-contiguous, or None if nothing arrived; it is forgotten here."""
        self.own.discard(name)
        dy = self.held.pop(name, None)
        return dy if dy is None or dy.flags.c_contiguous else array_module(dy).ascontiguousarray(dy)


def check_input(name: str, x: Array, frames: int, dim: int) -> None:
    """Raise ValueError unless x is a floating array of shape (frames, N, dim)."""
    shape = getattr(x, "shape", None)
    if shape is None or len(shape) != 3 or shape[0] != frames or shape[2] != dim:
        raise ValueError(f"{name} has shape {shape}, the plan expects (T, N, D) = ({frames}, N, {dim})")
    if not np.issubdtype(x.dtype, np.floating):
        raise ValueError(f"{name} has type {x.dtype}, not a floating-point one")

"""Descriptors lowered to flat lists of copies: which rows and columns of which node go where."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from nnet.frames import as_rows
from nnet.graph.descriptor import Const, Descriptor, Sum, dim, terms
from nnet.graph.network import Nnet
from nnet.graph.node import DimRangeNode
from nnet.graph.reads import Computable, Read, reads
from nnet.graph.steps import Copy, Fill, Frames, Gather


@dataclass(frozen=True)
class Move:
    """A copy in positions, before rows become slices."""

    read: Read
    source: str
    src: Sequence[int]
    dst: Sequence[int]
    source_columns: slice
    columns: slice
    add: bool

    def restricted(self, first: int, last: int) -> Move | None:
        """The part of the copy that fills rows first .. last - 1, these counted from 0."""
        i, j = bisect_left(self.dst, first), bisect_right(self.dst, last - 1)
        if i == j:
            return None
        src, dst = self.src[i:j], [row - first for row in self.dst[i:j]]
        return Move(self.read, self.source, src, dst, self.source_columns, self.columns, self.add)


class Lowering:
    """Lowers descriptors of one plan, whose nodes have the frames `frames`."""

    def __init__(self, nnet: Nnet, computable: Computable, frames: dict[str, tuple[int, ...]]):
        self.nnet, self.computable, self.frames = nnet, computable, frames
        self.dims = nnet.dims()
        self.positions: dict[str, dict[int, int]] = {}

    def moves(
        self, d: Descriptor, frames: tuple[int, ...], late: Collection[str] = ()
    ) -> tuple[list[Fill], list[Move]]:
        """Fills and moves for descriptor `d` at `frames`; those from the nodes `late` come last."""
        to = {t: i for i, t in enumerate(frames)}
        fills: list[Fill] = []
        moves: list[Move] = []
        start = 0
        for term in terms(d):
            columns = slice(start, start := start + dim(term, self.dims))
            cover = _Cover(len(frames), columns, fills)
            if (value := _constant(term)) is not None:
                cover.fill_rest(value)
            found = sorted(reads(term, frames, self.computable), key=lambda r: r.source in late)
            for read in found:
                moves.append(self._move(read, [to[t] for t in read.to], columns, cover))
            cover.fill_rest(0.0)
        return fills, moves

    def _move(self, read: Read, dst: list[int], columns: slice, cover: _Cover) -> Move:
        source, taken = self.resolve(read.source)
        position = self.positions.get(source)
        if position is None:
            position = self.positions[source] = {t: i for i, t in enumerate(self.frames[source])}
        return Move(read, source, [position[t] for t in read.at], dst, taken, columns, cover.adds(dst))

    def resolve(self, name: str) -> tuple[str, slice]:
        """The node that holds the columns of `name`, and which of its columns they are."""
        node = self.nnet.nodes[name]
        if isinstance(node, DimRangeNode):
            return node.source, slice(node.offset, node.offset + node.dim)
        return name, slice(0, self.dims[name])

    def copy(self, move: Move) -> Copy:
        """The record that the run follows."""
        src, taken = as_rows(move.src), move.source_columns
        everything = slice(0, len(self.frames[move.source]), 1), slice(0, self.dims[move.source])
        whole = isinstance(src, slice) and (src, taken) == everything
        repeats = not isinstance(src, slice) and len(set(move.src)) < len(move.src)
        to, scale = as_rows(move.dst), move.read.scale
        return Copy(move.source, src, taken, to, move.columns, scale, move.add, whole, repeats)

    def gather(self, width: int, frames: Frames, fills: list[Fill], moves: list[Move]) -> Gather:
        """The record of a gather; a single unscaled dense block of rows is not copied but looked at."""
        copies = tuple(self.copy(move) for move in moves)
        views = not fills and all(self.is_view(copy, len(frames)) for copy in copies)
        alias = views and len(copies) == 1 and copies[0].columns == slice(0, width)
        return Gather(width, tuple(fills), copies, alias, views and len(copies) > 1)

    def is_view(self, copy: Copy, rows: int) -> bool:
        """Whether the copy amounts to consecutive whole rows of its source, in columns of their own."""
        dense = isinstance(copy.src, slice) and copy.src.step == 1
        dense = dense and isinstance(copy.dst, slice) and copy.dst == slice(0, rows, 1)
        whole = copy.source_columns == slice(0, self.dims[copy.source])
        return dense and whole and copy.scale == 1.0 and not copy.add


class _Cover:
    """Which rows of a block of columns have been written: the first copy writes, later ones add."""

    def __init__(self, rows: int, columns: slice, fills: list[Fill]):
        self.rows, self.columns, self.fills = rows, columns, fills
        self.done: set[int] = set()

    def fill_rest(self, value: float) -> None:
        """Fill the rows that nothing has written."""
        if len(self.done) < self.rows:
            rest = [i for i in range(self.rows) if i not in self.done]
            self.fills.append(Fill(as_rows(rest), self.columns, value))
            self.done = set(range(self.rows))

    def adds(self, dst: list[int]) -> bool:
        """Whether a copy to the rows `dst` has to add."""
        if self.done.isdisjoint(dst):
            self.done.update(dst)
            return False
        if not self.done.issuperset(dst):
            self.fill_rest(0.0)
        return True


def _constant(d: Descriptor) -> float | None:
    """What the Const terms of a sum add up to; None if there are none."""
    if isinstance(d, Const):
        return d.value
    if isinstance(d, Sum):
        found = [value for part in d.parts if (value := _constant(part)) is not None]
        return sum(found) if found else None
    return None

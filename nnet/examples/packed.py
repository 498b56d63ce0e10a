"""Archives of equally built examples read at once: rows of bytes instead of an object for every example.

Most examples of an archive differ in their values only. One of them is taken apart; where the bytes of the
next
ones say the same, except in its values, they are known without reading them. What does not fit is left to the
general reader.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Collection, Hashable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from nnet.examples.hash_order import inputs_code
from nnet.formats.compressed import SPEECH, TOKENS
from nnet.formats.compressed_stack import decompress
from nnet.minibatch import DenseTarget, Minibatch, SparseTarget

_EXAMPLE = re.compile(rb"<Nnet3Eg> <NumIo> \x04(.{4})", re.DOTALL)
_IO = re.compile(rb"<NnetIo> ([^\s<>]+) <I1V> \x04(.{4})", re.DOTALL)
_IO_END, _EXAMPLE_END = b"</NnetIo> ", b"</Nnet3Eg> "
_SPARSE_ROW = struct.Struct("<3sBiBiBiBf")  # SV, dim, one entry, its column and value
_FULL_INDEX = 127
_AFTER_KEY = b" \0B"
_KEY = re.compile(rb"[^\s]+" + _AFTER_KEY)
_INT = struct.Struct("<i")
_STORAGE = {name.encode(): storage for storage, name in TOKENS.items()}
MOST_LAYOUTS = 64  # more of them and looking for the right one costs what reading does


@dataclass(frozen=True)
class PackedIo:
    """One input or output of a layout: frames t (rising, of one sequence), and where its values lie in an
    example.
    """

    name: str
    t: np.ndarray
    token: bytes  # CM, CM2, CM3, FM or SM
    cols: int
    offset: int  # of the values, from the start of the example

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.t)


@dataclass
class Layout:
    """How the examples of one structure are built: their length in bytes, their ios, and a pattern of the
    bytes they share.
    """

    ios: tuple[PackedIo, ...]
    pattern: re.Pattern[bytes]
    length: int
    starts: list[int] = field(default_factory=list)

    @cached_property
    def frames(self) -> dict[str, np.ndarray]:
        """Frames of every io by name."""
        return {io.name: io.t for io in self.ios}

    @property
    def structure(self) -> Hashable:
        """What must be equal for examples to merge: names, frames and dimensions."""
        return tuple((io.name, io.t.tobytes(), io.cols) for io in self.ios)

    def size(self, frame: int | None) -> int:
        """The largest number of rows of any io, the output cut to one frame if `frame` is given."""
        return max(1 if io.name == "output" and frame is not None else io.rows for io in self.ios)

    def code(self, frame: int | None) -> int:
        """The hash code of the structure, the output cut to one frame if `frame` is given."""
        ios = [(io.name, io.t[io.t == frame] if cut else io.t, io.cols) for io, cut in self._cut(frame)]
        return inputs_code((name, _indexes(t), cols) for name, t, cols in ios)

    def _cut(self, frame: int | None) -> list[tuple[PackedIo, bool]]:
        return [(io, io.name == "output" and frame is not None) for io in self.ios]

    def fits(self, data: bytes | mmap.mmap, start: int) -> bool:
        """Whether the bytes from `start` are an example of this layout."""
        return self.pattern.match(data, start) is not None


def _indexes(t: np.ndarray) -> np.ndarray:
    """(M, 3) indexes of the frames `t` of one sequence."""
    return np.stack([np.zeros_like(t), t, np.zeros_like(t)], axis=1)


class PackedArchive:
    """The examples of an uncompressed archive file, by layout. `order` lists (layout number, number in
    it).
    """

    def __init__(self, data: mmap.mmap, layouts: list[Layout], order: list[tuple[int, int]]):
        self._bytes = np.frombuffer(data, np.uint8)
        self.layouts, self.order = layouts, order

    @property
    def names(self) -> set[str]:
        """Names of all ios."""
        return {io.name for layout in self.layouts for io in layout.ios}

    def items(self) -> Iterator[tuple[str, bytes]]:
        """Key and bytes of every example, in order. Raises ValueError as `labels` does, before the first."""
        for layout in self.layouts:
            for io in layout.ios:
                if io.token == b"SM":
                    self.labels(layout, io, np.arange(len(layout.starts)))
        end = 0
        for number, index in self.order:
            before, start = end, self.layouts[number].starts[index]
            end = start + self.layouts[number].length
            key = self._bytes[before : start - len(_AFTER_KEY)].tobytes().decode()
            yield key, self._bytes[start:end].tobytes()

    def has_label(self, layout: Layout, frame: int) -> bool:
        """Whether examples of the layout have this labelled frame."""
        return bool((layout.frames["output"] == frame).any())

    def minibatch(
        self, layout: Layout, which: np.ndarray, outputs: Collection[str], frame: int | None = None
    ) -> Minibatch:
        """The examples `which` of a layout as arrays; `frame` keeps only this frame of "output"."""
        batch = Minibatch(len(which), {}, {})
        for io in layout.ios:
            rows = (
                np.arange(io.rows) if frame is None or io.name != "output" else np.flatnonzero(io.t == frame)
            )
            frames = tuple(io.t[rows].tolist())
            if io.name not in outputs:
                batch.inputs[io.name] = frames, self.values(layout, io, which)
            elif io.token == b"SM":
                column, weight = (a[:, rows].T.ravel() for a in self.labels(layout, io, which))
                t, n = (i.ravel() for i in np.indices((len(rows), len(which))))
                batch.outputs[io.name] = SparseTarget(frames, io.cols, t, n, column.astype(np.int64), weight)
            else:
                batch.outputs[io.name] = DenseTarget(frames, self.values(layout, io, which)[rows])
        return batch

    def values(self, layout: Layout, io: PackedIo, which: np.ndarray) -> np.ndarray:
        """Features of the examples `which` of a layout as (rows, examples, cols), float32."""
        starts = np.array(layout.starts)[which] + io.offset
        if io.token == b"FM":
            block = self._block(starts, 4 * io.rows * io.cols).view("<f4").reshape(-1, io.rows, io.cols)
            return np.ascontiguousarray(block.transpose(1, 0, 2), np.float32)
        low, width = self._block(starts, 8).view("<f4").T
        starts = starts + 16  # after rows and cols
        if io.token == b"CM":
            quarters = self._block(starts, 8 * io.cols).view("<u2").reshape(-1, io.cols, 4)
            codes = self._block(starts + 8 * io.cols, io.rows * io.cols).reshape(-1, io.cols, io.rows)
            codes = np.ascontiguousarray(codes.transpose(2, 0, 1))
            return decompress(codes, low, width, quarters, SPEECH)
        size = 2 if io.token == b"CM2" else 1
        codes = self._block(starts, size * io.rows * io.cols).view("<u2" if size == 2 else "u1")
        codes = codes.reshape(-1, io.rows, io.cols).transpose(1, 0, 2)
        return decompress(codes, low, width, None, _STORAGE[io.token])

    def labels(self, layout: Layout, io: PackedIo, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Class and weight of every row, (examples, rows) each, of a supervision with one entry a row.

        Raises ValueError for a class that does not exist: nothing after this would notice it.
        """
        starts = np.array(layout.starts)[which] + io.offset
        rows = self._block(starts, _SPARSE_ROW.size * io.rows).reshape(-1, io.rows, _SPARSE_ROW.size)
        column = np.ascontiguousarray(rows[..., 14:18]).view("<i4")[..., 0]
        weight = np.ascontiguousarray(rows[..., 19:23]).view("<f4")[..., 0]
        wrong = column[(column < 0) | (column >= io.cols)]
        if wrong.size:
            raise ValueError(
                f"the archive is corrupt: '{io.name}' has a label of class {wrong[0]}, there are {io.cols}"
            )
        return column, weight

    def _block(self, starts: np.ndarray, size: int) -> np.ndarray:
        """`size` bytes from each of `starts`: (len(starts), size) uint8, contiguous."""
        return self._bytes[starts[:, None] + np.arange(size)]


def open_packed(rspecifier: str) -> PackedArchive | None:
    """The archive of an rspecifier `ark:FILE`, or None if it is not a plain file of binary examples that
    can be packed.
    """
    kind, colon, name = rspecifier.partition(":")
    path = Path(name)
    if (
        kind != "ark"
        or not colon
        or name.endswith((".gz", "|"))
        or not path.is_file()
        or not path.stat().st_size
    ):
        return None
    with path.open("rb") as stream:
        data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    layouts: list[Layout] = []
    order = []
    position = number = 0
    while position < len(data):
        key = _KEY.match(data, position)
        if key is None:
            return None
        start = key.end()
        if not (layouts and layouts[number].fits(data, start)):  # most are as the last one was
            number = next((i for i, layout in enumerate(layouts) if layout.fits(data, start)), len(layouts))
        if number == len(layouts):
            layout = take_apart(data, start)
            if layout is None or number >= MOST_LAYOUTS:
                return None
            layouts.append(layout)
        order.append((number, len(layouts[number].starts)))
        layouts[number].starts.append(start)
        position = start + layouts[number].length
    if len({layout.structure for layout in layouts}) < len(layouts):
        return None  # stored in several ways, but to be merged
    return PackedArchive(data, layouts, order)


def take_apart(data: bytes | mmap.mmap, start: int) -> Layout | None:
    """The layout of the example whose bytes begin at `start`; None if it is of a kind that only the
    general reader knows.
    """
    head = _EXAMPLE.match(data, start)
    if head is None:
        return None
    position, ios, values = head.end(), [], []
    for _ in range(_INT.unpack(head[1])[0]):
        found = _take_io(data, position, start)
        if found is None:
            return None
        io, spans, position = found
        ios.append(io)
        values += spans
    if data[position : position + len(_EXAMPLE_END)] != _EXAMPLE_END:
        return None
    end = position + len(_EXAMPLE_END)
    pattern, done = b"", start
    for a, b in values:
        pattern += re.escape(data[done:a]) + b".{%d}" % (b - a)
        done = b
    pattern += re.escape(data[done:end])
    return Layout(tuple(ios), re.compile(pattern, re.DOTALL), end - start)


def _take_io(data, position: int, start: int):  # type: ignore[no-untyped-def]
    """(PackedIo, spans of its values, position after it) of the io that begins at `position`, or None."""
    head = _IO.match(data, position)
    if head is None:
        return None
    count = _INT.unpack(head[2])[0]
    codes = np.frombuffer(data[head.end() : head.end() + max(count, 0)], np.int8)
    if len(codes) != count or not count or (codes[1:] <= 0).any() or (np.abs(codes) == _FULL_INDEX).any():
        return None
    position = head.end() + count
    token = bytes(data[position : position + 4]).partition(b" ")[0]
    rows, cols, offset, spans, position = _take_matrix(data, position + len(token) + 1, token)
    if rows != count or data[position : position + len(_IO_END)] != _IO_END:
        return None
    t = np.cumsum(codes.astype(np.int64))
    return PackedIo(head[1].decode(), t, token, cols, offset - start), spans, position + len(_IO_END)


def _take_matrix(data, p: int, token: bytes):  # type: ignore[no-untyped-def]
    """(rows, cols, position of the values, spans of the values, position after the matrix); rows -1 if it
    is another kind.
    """
    unknown: tuple[int, int, int, list, int] = (-1, 0, 0, [], p)
    if len(data) < p + 24:
        return unknown
    if token in (b"CM", b"CM2", b"CM3"):
        rows, cols = struct.unpack_from("<2i", data, p + 8)
        size = rows * cols * (2 if token == b"CM2" else 1) + (8 * cols if token == b"CM" else 0)
        return rows, cols, p, [(p, p + 8), (p + 16, p + 16 + size)], p + 16 + size
    if token == b"FM":
        _, rows, _, cols = struct.unpack_from("<BiBi", data, p)
        return rows, cols, p + 10, [(p + 10, p + 10 + 4 * rows * cols)], p + 10 + 4 * rows * cols
    if token == b"SM":
        rows = struct.unpack_from("<Bi", data, p)[1]
        return _take_sparse(data, p + 5, rows) if rows * _SPARSE_ROW.size <= len(data) - p else unknown
    return unknown


def _take_sparse(data, p: int, rows: int):  # type: ignore[no-untyped-def]
    """As _take_matrix, for rows that all have one entry."""
    first, spans = p, []
    for _ in range(rows):
        token, _, dim, _, count, *_ = _SPARSE_ROW.unpack_from(data, p)
        if token != b"SV " or count != 1:
            return -1, 0, 0, [], p
        spans += [(p + 14, p + 18), (p + 19, p + 23)]
        p += _SPARSE_ROW.size
    return rows, dim if rows else 0, first, spans, p

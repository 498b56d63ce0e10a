"""Lattices in Kaldi's files: OpenFst's binary vector FSTs with two costs, or text; compact or not."""

from __future__ import annotations

import math
import struct

import numpy as np

from nnet.formats.fst import MAGIC, Header, read_fst_header, write_fst_header
from nnet.formats.kinds import Kind
from nnet.formats.reader import KaldiInput
from nnet.formats.writer import KaldiOutput
from nnet.fst.lattice import INF, ONE, ZERO, Lattice, LatticeArc, Weight
from nnet.fst.lattice_forms import compacted, expanded
from nnet.fst.properties import EXPANDED, KNOWN, MUTABLE

FIRST_BYTE = MAGIC & 0xFF
ARC_TYPES = {  # type of arc -> single precision, compact
    "lattice4": (True, False),
    "lattice8": (False, False),
    "compactlattice44": (True, True),
    "compactlattice84": (False, True),
}
_LABELS = struct.Struct("<ii")
_INT, _COUNT = struct.Struct("<i"), struct.Struct("<q")
_COSTS = struct.Struct("<ff")
MANY = 100000000  # no arc has more transition-ids

# -- binary


def read_lattice(src: KaldiInput) -> Lattice:
    """The lattice that comes next, compact or not, binary or text; acoustic costs may be of any precision."""
    first = src.peek_byte()
    if first in (9, 10, 11, 12, 13, 32):
        return _read_text(src)
    if first != FIRST_BYTE:
        src.error(f"expected a lattice, found {src.shown()}")
    offset = src.offset
    header = read_fst_header(src, tuple(ARC_TYPES))
    if header.kind != "vector" or header.version != 2:
        src.error(f"a lattice of the FST type {header.kind}, version {header.version}", offset)
    try:
        return _Binary(src, header).read()
    except ValueError as error:
        if str(error).startswith(src.name):
            raise
        src.error(str(error), offset)


class _Binary:
    def __init__(self, src: KaldiInput, header: Header):
        self.src, self.header = src, header
        self.single, self.compact = ARC_TYPES[header.arc]
        costs = "ff" if self.single else "dd"
        self.final = struct.Struct(f"<{costs}i" if self.compact else f"<{costs}")
        self.arc = struct.Struct(f"<ii{costs}i")  # last: the number of transition-ids, or the target

    def read(self) -> Lattice:
        """States, each with its final weight and its arcs."""
        self.src.need(
            self.header.states * (self.final.size + _COUNT.size), f"a lattice of {self.header.states} states"
        )
        finals, arcs = [], []
        for s in range(self.header.states):
            finals.append(self._final())
            (count,) = _COUNT.unpack(self.src.read_bytes(_COUNT.size, "a state"))
            if count < 0:
                self.src.error(f"state {s} of a lattice has {count} arcs")
            self.src.need(count * (self.final.size + 12), f"state {s} with {count} arcs")
            arcs.append([self._arc() for _ in range(count)])
        return Lattice(self.header.start, arcs, finals, self.compact, self.header.properties & KNOWN)

    def _final(self) -> Weight:
        graph, acoustic, *size = self.final.unpack(self.src.read_bytes(self.final.size, "a weight"))
        return self._weight(graph, acoustic, self._integers(size[0], 0) if size else ())

    def _arc(self) -> LatticeArc:
        ilabel, olabel, graph, acoustic, last = self.arc.unpack(self.src.read_bytes(self.arc.size, "an arc"))
        if not self.compact:
            return ilabel, olabel, self._weight(graph, acoustic), last
        *ids, target = self._integers(last, 1)
        return ilabel, olabel, self._weight(graph, acoustic, tuple(ids)), target

    def _integers(self, size: int, more: int) -> tuple[int, ...]:
        """The transition-ids of a weight, and so many integers after them."""
        if not 0 <= size <= MANY:
            self.src.error(f"a weight of a lattice has {size} transition-ids")
        data = self.src.read_bytes(4 * (size + more), "transition-ids")
        return struct.unpack(f"<{size + more}i", data)

    def _weight(self, graph: float, acoustic: float, ids: tuple[int, ...] = ()) -> Weight:
        if math.isnan(graph) or math.isnan(acoustic):
            self.src.error("a lattice has a cost that is not a number")
        if not self.single:
            with np.errstate(over="ignore"):
                graph, acoustic = float(np.float32(graph)), float(np.float32(acoustic))
        return Weight(graph, acoustic, ids)


def write_lattice(out: KaldiOutput, lattice: Lattice) -> None:
    """Write `lattice` as it is, compact or not (WriteCompactLattice, WriteLattice)."""
    if not out.binary:
        _write_text(out, lattice)
        return
    kind = "compactlattice44" if lattice.compact else "lattice4"
    known = lattice.properties & KNOWN | EXPANDED | MUTABLE
    header = Header("vector", kind, 2, 0, known, lattice.start, lattice.num_states, 0)
    write_fst_header(out, header)
    parts = []
    for final, row in zip(lattice.finals, lattice.arcs):
        parts += [_weight_bytes(final, lattice.compact), _COUNT.pack(len(row))]
        for i, o, w, t in row:
            parts += [_LABELS.pack(i, o), _weight_bytes(w, lattice.compact), _INT.pack(t)]
    out.write(b"".join(parts))


def _weight_bytes(w: Weight, compact: bool) -> bytes:
    costs = _COSTS.pack(w.graph, w.acoustic)
    return costs + _INT.pack(len(w.ids)) + np.array(w.ids, "<i4").tobytes() if compact else costs


# -- text


def _read_text(src: KaldiInput) -> Lattice:
    """Lines `state target [ilabel] olabel [weight]` and `state [weight]`, ended by an empty line.

    A lattice is compact if every line can be one of a compact lattice.
    """
    if src.line().strip():
        src.error("a lattice in text form starts with a line break")
    rows: list[list[str]] = []
    while not src.at_end() and (words := src.line().split()):
        rows.append(words)
    compact = not any(_is_expanded(words) for words in rows)
    arcs: list[list[LatticeArc]] = []
    finals: list[Weight] = []
    for words in rows:
        try:
            _take_line(words, compact, arcs, finals, 2 * len(rows))
        except ValueError:
            src.error(f"expected an arc or a final state of a lattice, found {' '.join(words)[:60]!r}")
    return Lattice(int(rows[0][0]) if rows else -1, arcs, finals, compact)


def _is_expanded(words: list[str]) -> bool:
    """Whether a line cannot be one of a compact lattice."""
    if len(words) == 2:
        return words[1].count(",") == 1
    return len(words) == 5 or (len(words) == 4 and "," not in words[3])


def _take_line(
    words: list[str], compact: bool, arcs: list[list[LatticeArc]], finals: list[Weight], most: int
) -> None:
    """Add what a line says. Raises ValueError."""
    labels = 1 if compact else 2
    if len(words) not in (1, 2, 2 + labels, 3 + labels):
        raise ValueError
    states = [int(w) for w in words[: min(2, len(words))]] if len(words) > 2 else [int(words[0])]
    if min(states) < 0 or max(states) > most:
        raise ValueError
    while len(finals) <= max(states):
        arcs.append([])
        finals.append(ZERO)
    if len(words) <= 2:
        finals[states[0]] = _parse(words[1], compact) if len(words) == 2 else ONE
        return
    ilabel, olabel = int(words[2]), int(words[1 + labels])
    weight = _parse(words[-1], compact) if len(words) == 3 + labels else ONE
    if weight == ZERO:
        raise ValueError
    arcs[states[0]].append((ilabel, olabel, weight, states[1]))


def _parse(text: str, compact: bool) -> Weight:
    graph, acoustic, *ids = text.split(",")
    if len(ids) != int(compact):
        raise ValueError
    first, second = (float(np.float32(float(c.replace("Infinity", "inf")))) for c in (graph, acoustic))
    if np.isnan(first + second):
        raise ValueError
    return Weight(first, second, tuple(int(i) for i in ids[0].split("_")) if compact and ids[0] else ())


def _write_text(out: KaldiOutput, lattice: Lattice) -> None:
    """As fstprint does, the start state first, between a line break and an empty line."""
    others = (s for s in range(lattice.num_states) if s != lattice.start)
    lines = [""]
    for s in [lattice.start, *others] if lattice.start >= 0 else []:
        for i, o, w, t in lattice.arcs[s]:
            labels = f"{i}" if lattice.compact else f"{i}\t{o}"
            lines.append(f"{s}\t{t}\t{labels}{_shown(w, lattice.compact)}")
        if lattice.finals[s] != ZERO or not lattice.arcs[s]:
            lines.append(f"{s}{_shown(lattice.finals[s], lattice.compact)}")
    out.text("\n".join([*lines, "", ""]))


def _shown(w: Weight, compact: bool) -> str:
    if w == ONE:
        return ""
    graph, acoustic = ("Infinity" if c == INF else f"{c:.6g}" for c in (w.graph, w.acoustic))
    return f"\t{graph},{acoustic}" + ("," + "_".join(map(str, w.ids)) if compact else "")


COMPACT_LATTICE = Kind(
    "lattice",
    lambda src: compacted(read_lattice(src)),
    lambda out, x: write_lattice(out, compacted(x)),
    False,
)
LATTICE = Kind(
    "lattice", lambda src: expanded(read_lattice(src)), lambda out, x: write_lattice(out, expanded(x)), False
)

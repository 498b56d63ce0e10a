"""FSTs in OpenFst's binary files (vector, const, compact acceptor) and in Kaldi's text form."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from nnet.formats.kinds import Kind
from nnet.formats.reader import KaldiInput
from nnet.formats.streams import create_bytes, open_bytes
from nnet.formats.writer import KaldiOutput, number
from nnet.fst.arrays import Fst
from nnet.fst.properties import EXPANDED, KNOWN, MUTABLE, all_known, compute_properties

MAGIC = 2125659606
VERSION = 2  # of the layouts below; version 1 is the same with gaps to multiples of 16 bytes
HAS_SYMBOLS, IS_ALIGNED = 3, 4  # flags of a header
ALIGNMENT = 16
MAX_NAME = 64  # no type of FST has a longer name
NO_LABEL = -1  # of the entry that stands for a final cost in a compact FST

_HEAD = struct.Struct("<i")
_REST = struct.Struct("<iiQqqq")  # version, flags, properties, start, states, arcs
_STATE = struct.Struct("<fq")  # final cost, number of arcs
_ARC = np.dtype([("ilabel", "<i4"), ("olabel", "<i4"), ("weight", "<f4"), ("target", "<i4")])
_CONST = np.dtype([("final", "<f4"), ("first", "<u4"), ("arcs", "<u4"), ("epsilons", "<u4", 2)])
_COMPACT = np.dtype([("label", "<i4"), ("weight", "<f4"), ("target", "<i4")])


@dataclass(frozen=True)
class Header:
    """The start of an OpenFst file."""

    kind: str
    arc: str
    version: int
    flags: int
    properties: int
    start: int
    states: int
    arcs: int


def read_fst_file(name: str) -> Fst:
    """The FST in the file `name` (ReadFstKaldi). Raises FormatError, also for text; OSError."""
    with open_bytes(name) as stream:
        return read_fst(KaldiInput(stream, "standard input" if name in ("", "-") else name))


def write_fst_file(name: str, fst: Fst) -> None:
    """Write `fst` as OpenFst's vector type (WriteFstKaldi). Raises OSError."""
    with create_bytes(name) as stream:
        write_fst(KaldiOutput(stream), fst)


def read_fst(src: KaldiInput, kinds: tuple[str, ...] = ("vector", "const", "compact_acceptor")) -> Fst:
    """The FST that comes next: text if `src` is text, else a binary one whose type is one of `kinds`.

    Raises FormatError naming what is wrong, also for arcs that are not standard and for symbol tables.
    """
    if not src.binary:
        return _read_text(src)
    offset = src.offset
    header = read_fst_header(src)
    if header.kind not in kinds:
        src.error(f"an FST of the type {header.kind}; it can be read as {', '.join(kinds)}", offset)
    try:
        return {"vector": _read_vector, "const": _read_const, "compact_acceptor": _read_compact}[header.kind](
            src, header
        )
    except ValueError as error:
        if str(error).startswith(src.name):
            raise
        src.error(str(error), offset)


def read_fst_header(src: KaldiInput, arc_types: tuple[str, ...] = ("standard",)) -> Header:
    """The header that comes next; arcs must be of one of `arc_types`. Raises FormatError."""
    offset = src.offset
    if src.ahead(4) < 4 or _HEAD.unpack(src.read_bytes(4))[0] != MAGIC:
        src.error("this is no binary FST (text is made binary by fstcompile)", offset)
    kind, arc = _name(src), _name(src)
    numbers = _REST.unpack(src.read_bytes(_REST.size, "the header of an FST"))
    header = Header(kind, arc, *numbers)
    if arc not in arc_types:
        wanted = " or ".join(arc_types)
        src.error(f"an FST whose arcs are of the type {arc}, where {wanted} ones are expected", offset)
    if header.version not in (1, 2):
        src.error(f"an FST of version {header.version}; versions 1 and 2 can be read", offset)
    if header.flags & HAS_SYMBOLS:
        src.error(
            "an FST with symbol tables; fstsymbols --clear_isymbols --clear_osymbols drops them", offset
        )
    if header.states < 0 or header.start >= header.states:
        src.error(f"an FST with start state {header.start} and {header.states} states", offset)
    return header


def _name(src: KaldiInput) -> str:
    length = _HEAD.unpack(src.read_bytes(4, "the header of an FST"))[0]
    if not 0 <= length <= MAX_NAME:
        src.error(f"expected the name of a type, found one of {length} bytes; the FST is damaged")
    return src.decode(src.read_bytes(length, "the header of an FST"), "the name of a type")


def _align(src: KaldiInput, header: Header) -> None:
    if header.version == 1 or header.flags & IS_ALIGNED:
        src.read_bytes(-src.offset % ALIGNMENT, "the gap before an array")


def _read_vector(src: KaldiInput, header: Header) -> Fst:
    if header.version != VERSION:
        src.error(f"a vector FST of version {header.version}; only version {VERSION} is known")
    src.need(header.states * _STATE.size, f"an FST of {header.states} states")
    finals, counts, arcs = [], [], [np.zeros(0, _ARC)]
    for s in range(header.states):
        final, count = _STATE.unpack(src.read_bytes(_STATE.size, "a state"))
        if count < 0:
            src.error(f"state {s} has {count} arcs")
        finals.append(final)
        counts.append(count)
        arcs.append(src.array(_ARC, count, f"state {s} with {count} arcs"))
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return _from_arcs(header, np.array(finals, np.float32), indptr, np.concatenate(arcs))


def _read_const(src: KaldiInput, header: Header) -> Fst:
    if header.arcs < 0:
        src.error(f"a const FST with {header.arcs} arcs")
    _align(src, header)
    states = src.array(_CONST, header.states, f"{header.states} states")
    _align(src, header)
    arcs = src.array(_ARC, header.arcs, f"{header.arcs} arcs")
    indptr = np.concatenate([[0], np.cumsum(states["arcs"], dtype=np.int64)])
    if not np.array_equal(indptr[:-1][states["arcs"] > 0], states["first"][states["arcs"] > 0]):
        src.error("the arcs of a const FST do not lie in the order of its states")
    return _from_arcs(header, states["final"].astype(np.float32), indptr, arcs)


def _from_arcs(header: Header, finals: np.ndarray, indptr: np.ndarray, arcs: np.ndarray) -> Fst:
    i, o, w, t = (np.ascontiguousarray(arcs[name]) for name in ("ilabel", "olabel", "weight", "target"))
    return Fst(header.start, finals, indptr, i, o, w, t, header.properties & KNOWN)


def _read_compact(src: KaldiInput, header: Header) -> Fst:
    _align(src, header)
    first = src.array("<u4", header.states + 1, f"{header.states} states").astype(np.int64)
    if (first[1:] < first[:-1]).any() or first[0] != 0:
        src.error("the arcs of a compact FST do not lie in the order of its states")
    _align(src, header)
    entries = src.array(_COMPACT, int(first[-1]), f"{first[-1]} arcs and final costs")
    is_arc = entries["label"] != NO_LABEL
    end = np.flatnonzero(~is_arc)
    state = first.searchsorted(end, side="right") - 1
    if (first[state] != end).any():
        src.error("a compact FST has a final cost that is not the first entry of its state")
    finals = np.full(header.states, np.inf, np.float32)
    finals[state] = entries["weight"][end]
    indptr = first - end.searchsorted(first)
    arcs = entries[is_arc]
    labels, weights, targets = (arcs[name].copy() for name in ("label", "weight", "target"))
    return Fst(header.start, finals, indptr, labels, labels, weights, targets, header.properties & KNOWN)


def _read_text(src: KaldiInput) -> Fst:
    """Lines `source target ilabel olabel [cost]` and `state [cost]`, ended by an empty line."""
    arcs: list[tuple[int, int, int, float, int]] = []
    finals: dict[int, float] = {}
    start, highest = -1, -1
    if src.line().strip():
        src.error("an FST in text form starts with a line break")
    while not src.at_end() and (words := src.line().split()):
        try:
            if len(words) not in (1, 2, 4, 5):
                raise ValueError
            state = int(words[0])
            start = state if start < 0 else start
            if len(words) <= 2:
                finals[state] = float(words[1]) if len(words) == 2 else 0.0
            else:
                target, ilabel, olabel = (int(w) for w in words[1:4])
                arcs.append((state, ilabel, olabel, float(words[4]) if len(words) == 5 else 0.0, target))
            highest = max(highest, state, arcs[-1][4] if len(words) > 2 else 0)
        except ValueError:
            src.error(f"expected an arc or a final state of an FST, found {' '.join(words)[:60]!r}")
    if highest > 2 * (len(arcs) + len(finals)):
        src.error(f"an FST of {len(arcs)} arcs names state {highest}; it is damaged")
    costs = np.full(highest + 1, np.inf, np.float32)
    costs[list(finals)] = list(finals.values())
    try:
        return Fst.from_arcs(arcs, costs, start)
    except ValueError as error:
        src.error(str(error))


# -- writing


def write_fst(out: KaldiOutput, fst: Fst) -> None:
    """Write `fst`: as OpenFst's vector type, or in text form (WriteFstKaldi)."""
    if not out.binary:
        _write_text(out, fst)
        return
    known = fst.properties & KNOWN | EXPANDED | MUTABLE
    write_fst_header(out, Header("vector", "standard", VERSION, 0, known, fst.start, fst.num_states, 0))
    arcs = np.empty(fst.num_arcs, _ARC)
    arcs["ilabel"], arcs["olabel"] = fst.ilabels, fst.olabels
    arcs["weight"], arcs["target"] = fst.weights, fst.targets
    data, ends = arcs.tobytes(), (fst.indptr * _ARC.itemsize).tolist()
    for final, count, i, j in zip(fst.finals.tolist(), np.diff(fst.indptr).tolist(), ends, ends[1:]):
        out.write(_STATE.pack(final, count) + data[i:j])


def write_compact_fst(out: KaldiOutput, fst: Fst) -> None:
    """Write `fst` as OpenFst's compact acceptor, or in text form. Raises ValueError if it is no acceptor."""
    if not out.binary:
        _write_text(out, fst)
        return
    if not np.array_equal(fst.ilabels, fst.olabels):
        raise ValueError("an FST whose input and output labels differ cannot be written as an acceptor")
    known = fst.properties if all_known(fst.properties) else compute_properties(fst)
    known = known & KNOWN | EXPANDED
    write_fst_header(
        out,
        Header("compact_acceptor", "standard", VERSION, 0, known, fst.start, fst.num_states, fst.num_arcs),
    )
    is_end = np.isfinite(fst.finals)
    first = fst.indptr.copy()
    first[1:] += is_end.cumsum()
    end = np.flatnonzero(is_end)
    entries = np.empty(int(first[-1]), _COMPACT)
    is_arc = np.ones(len(entries), bool)
    is_arc[first[end]] = False
    for name, of_arcs, of_ends in (
        ("label", fst.ilabels, NO_LABEL),
        ("weight", fst.weights, fst.finals[end]),
        ("target", fst.targets, -1),
    ):
        entries[name][is_arc] = of_arcs
        entries[name][~is_arc] = of_ends
    out.write(first.astype("<u4").tobytes() + entries.tobytes())


def write_fst_header(out: KaldiOutput, header: Header) -> None:
    """Write a header."""
    names = b"".join(_HEAD.pack(len(n)) + n.encode() for n in (header.kind, header.arc))
    out.write(_HEAD.pack(MAGIC) + names)
    h = header
    out.write(_REST.pack(h.version, h.flags, h.properties, h.start, h.states, h.arcs))


def _write_text(out: KaldiOutput, fst: Fst) -> None:
    """As fstprint does, the start state first, between a line break and an empty line."""
    lists, finals = fst.lists(), fst.finals.tolist()
    order = [fst.start, *(s for s in range(fst.num_states) if s != fst.start)] if fst.start >= 0 else []
    lines = [""]
    for s in order:
        lines += [f"{s}\t{t}\t{i}\t{o}{_cost(w)}" for i, o, w, t in lists[s]]
        if finals[s] != np.inf or not lists[s]:
            lines.append(f"{s}{_cost(finals[s])}")
    out.text("\n".join([*lines, "", ""]))


def _cost(value: float) -> str:
    if value == 0:
        return ""
    return "\tInfinity" if value == np.inf else f"\t{number(value)}"


def _read_from_table(src: KaldiInput) -> Fst:
    """Binary FSTs in tables have no header but their own (VectorFstHolder)."""
    src.binary = src.peek_byte() == MAGIC & 0xFF
    return read_fst(src)


FST = Kind("FST", _read_from_table, write_fst, has_header=False)

"""Training examples in Kaldi's format: named inputs and outputs, each a matrix whose rows have frames."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from nnet.formats.basic import KaldiInput, KaldiOutput
from nnet.formats.kinds import Kind
from nnet.formats.matrix import GeneralMatrix, read_general_matrix, write_matrix

MAX_IO = 1000000  # inputs and outputs of one example
FULL = 127  # code byte of an index that is written in full
LIMIT = 125  # differences of t below this fit into the code byte
SHARED = 1 << 12  # bytes of indexes that many examples are likely to share
SIZES = ("size_n", "size_t", "size_x")
FULL_INDEX = np.dtype(  # n, t, x, each after its size byte
    [("code", "u1"), *(pair for i in "ntx" for pair in ((f"size_{i}", "u1"), (i, "<i4")))]
)

_INT = struct.Struct("<i")
_EXAMPLE = b"<Nnet3Eg> <NumIo> \x04"
_HEAD = re.compile(
    rb"<NnetIo> ([^ \n]{1,99}) <I1V> \x04(.{4})", re.DOTALL
)  # usual start: name, number of indexes


@dataclass
class NnetIo:
    """One input or output of an example.

    `indexes` (K, 3) int32: n (sequence), t (frame), x (normally 0) of each row of `features`; read-only.
    `features`: K rows; compressed and sparse matrices stay as they were read.
    """

    name: str
    indexes: np.ndarray
    features: GeneralMatrix


@dataclass
class NnetExample:
    """What one example, or a minibatch of merged ones, gives to the network and expects of it."""

    io: list[NnetIo] = field(default_factory=list)


def read_example(src: KaldiInput) -> NnetExample:
    """The example that comes next (NnetExample::Read)."""
    if src.binary and src.literal(_EXAMPLE):
        count = _INT.unpack(src.read_bytes(4, "an integer"))[0]
    else:
        src.expect("<Nnet3Eg>")
        src.expect("<NumIo>")
        count = src.int32()
    if not 0 < count <= MAX_IO:
        src.error(f"expected an example with 1 to {MAX_IO} inputs and outputs, found {count}")
    example = NnetExample([read_io(src) for _ in range(count)])
    if not (src.binary and src.literal(b"</Nnet3Eg> ")):
        src.expect("</Nnet3Eg>")
    return example


def read_io(src: KaldiInput) -> NnetIo:
    """The input or output that comes next (NnetIo::Read)."""
    if src.binary and (head := _HEAD.match(src.buffer, src.position)):
        src.position = head.end()
        name, count = src.decode(head[1], "a name"), _INT.unpack(head[2])[0]
    else:
        src.expect("<NnetIo>")
        name = src.token()
        count = _index_count(src)
    indexes = _read_indexes(src, count)
    features = read_general_matrix(src)
    if features.shape[0] != len(indexes):
        src.error(
            f"{name}: expected a row for each of {len(indexes)} indexes, found {features.shape[0]} rows"
        )
    if not (src.binary and src.literal(b"</NnetIo> ")):
        src.expect("</NnetIo>")
    return NnetIo(name, indexes, features)


# -- indexes


def read_indexes(src: KaldiInput) -> np.ndarray:
    """(K, 3) int32, read-only (ReadIndexVector)."""
    return _read_indexes(src, _index_count(src))


def _index_count(src: KaldiInput) -> int:
    src.expect("<I1V>")
    return src.int32()


def _read_indexes(src: KaldiInput, count: int) -> np.ndarray:
    src.need(count, f"{count} indexes")
    if not src.binary:
        return _read_text_indexes(src, count)
    have = src.ahead(min(count, 1 << 16))
    codes = src.buffer[src.position : src.position + have]
    if have == count and FULL not in codes:
        src.position += count
        return _steps(src, codes)
    return _read_mixed_indexes(src, count)


def _steps(src: KaldiInput, codes: bytes) -> np.ndarray:
    indexes = _from_codes(codes)
    if indexes is None:
        src.error("damaged indexes: a code byte is neither a small difference nor 127")
    return indexes


@lru_cache(maxsize=4096)
def _from_codes(codes: bytes) -> np.ndarray | None:
    """Indexes with n = x = 0 whose frames differ by the code bytes; most examples of a file share theirs."""
    steps = np.frombuffer(codes, np.int8).astype(np.int32)
    if (np.abs(steps) >= LIMIT).any():
        return None
    indexes = np.zeros((len(steps), 3), np.int32)
    np.cumsum(steps, out=indexes[:, 1])
    indexes.flags.writeable = False
    return indexes


def _read_mixed_indexes(src: KaldiInput, count: int) -> np.ndarray:
    """Runs of small steps of t, interrupted by indexes in full (where n or x changes)."""
    indexes = np.zeros((count, 3), np.int32)
    row, last = 0, np.zeros(3, np.int32)
    while row < count:
        have = src.ahead(min(count - row, 1 << 16))
        codes = src.buffer[src.position : src.position + have]
        if not codes:
            src.error(f"expected {count - row} more indexes, found the end of the file")
        end = codes.find(FULL)
        if end != 0:
            run = codes if end < 0 else codes[:end]
            src.position += len(run)
            indexes[row : row + len(run)] = _steps(src, run) + last
            row += len(run)
        else:
            run_of_full = _read_full_indexes(src, count - row)
            indexes[row : row + len(run_of_full)] = run_of_full
            row += len(run_of_full)
        last = indexes[row - 1]
    indexes.flags.writeable = False
    return indexes


def _read_full_indexes(src: KaldiInput, most: int) -> np.ndarray:
    """The indexes in full (K, 3) that come next, one after the other: at least one, at most `most`."""
    size = FULL_INDEX.itemsize
    have = src.ahead(size * min(most, 1 << 12)) // size
    if have == 0:  # not even one
        src.position += 1
        src.read_bytes(size - 1, "an index")
    found = np.frombuffer(src.buffer, FULL_INDEX, have, src.position)
    full = found["code"] == FULL
    found = found if full.all() else found[: int(full.argmin())]
    src.position += size * len(found)
    if not all((found[name] == 4).all() for name in SIZES):
        src.error("damaged indexes: expected integers of four bytes")
    return np.stack([found[name] for name in "ntx"], axis=1)


def _read_text_indexes(src: KaldiInput, count: int) -> np.ndarray:
    indexes = []
    for _ in range(count):
        src.expect("<I1>")
        indexes.append((src.int32(), src.int32(), src.int32()))
    return np.array(indexes, np.int32).reshape(count, 3)


# -- writing


def write_example(out: KaldiOutput, example: NnetExample) -> None:
    """Write `example` (NnetExample::Write). Raises ValueError if it is empty or rows and indexes differ."""
    if not example.io:
        raise ValueError("an example without inputs and outputs cannot be written")
    out.token("<Nnet3Eg>")
    out.token("<NumIo>")
    out.int32(len(example.io))
    for io in example.io:
        write_io(out, io)
    out.token("</Nnet3Eg>")


def write_io(out: KaldiOutput, io: NnetIo) -> None:
    """Write an input or output (NnetIo::Write)."""
    if io.features.shape[0] != len(io.indexes):
        raise ValueError(
            f"{io.name}: {io.features.shape[0]} rows for {len(io.indexes)} indexes; they must agree"
        )
    out.token("<NnetIo>")
    out.token(io.name)
    write_indexes(out, io.indexes)
    write_matrix(out, io.features)
    out.token("</NnetIo>")


def write_indexes(out: KaldiOutput, indexes: np.ndarray) -> None:
    """Write (K, 3) indexes (WriteIndexVector)."""
    out.token("<I1V>")
    out.int32(len(indexes))
    if out.binary:
        data = np.ascontiguousarray(indexes, np.int32).tobytes()
        out.write(_codes(data) if len(data) <= SHARED else _codes.__wrapped__(data))
    else:
        out.text("".join(f"<I1> {n} {t} {x} " for n, t, x in np.asarray(indexes).tolist()))


@lru_cache(maxsize=4096)
def _codes(data: bytes) -> bytes:
    """The bytes of (K, 3) int32 indexes in a file; most examples of a file share theirs."""
    indexes = np.frombuffer(data, np.int32).reshape(-1, 3)
    steps = np.diff(indexes.astype(np.int64), axis=0, prepend=np.zeros((1, 3), np.int64))
    full = (steps[:, 0] != 0) | (steps[:, 2] != 0) | (np.abs(steps[:, 1]) >= LIMIT)
    small = steps[:, 1].astype(np.int8).tobytes()
    if not full.any():
        return small
    records = np.full(len(indexes), 4, FULL_INDEX)
    records["code"] = FULL
    for column, name in enumerate("ntx"):
        records[name] = indexes[:, column]
    if full.all():
        return records.tobytes()
    parts, start = [], 0
    for row in np.flatnonzero(full).tolist():
        parts += [small[start:row], records[row].tobytes()]
        start = row + 1
    return b"".join([*parts, small[start:]])


# Examples as values of tables. Keys such as `utt-8?lang=cz` are keys like any other.
EXAMPLE = Kind("example", read_example, write_example)

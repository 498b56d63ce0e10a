"""Chunks of utterances that a file of ranges names, each with a class: the examples of x-vector networks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from nnet.examples.make import frame_indexes
from nnet.examples.rows import GeneralMatrix, compressed
from nnet.formats.examples import NnetExample, NnetIo
from nnet.formats.matrix import from_pairs

FIELDS = "utterance, number of the output, number of the archive, first frame, number of frames, class"


@dataclass(frozen=True)
class ChunkRange:
    """Frames first_frame ... first_frame + num_frames - 1 of an utterance, of class `label`."""

    key: str
    output: int  # which of several outputs gets the example
    first_frame: int
    num_frames: int
    label: int


def read_ranges(
    lines: Iterable[bytes], where: str, num_outputs: int, num_classes: int
) -> dict[str, list[ChunkRange]]:
    """The chunks of each utterance, in the order of the lines.

    Raises ValueError naming `where` and the line if that has not six fields, or a number is out of range.
    """
    found: dict[str, list[ChunkRange]] = {}
    for number, line in enumerate(lines, 1):
        try:
            utterance, chunk = _parsed(line.decode().split(), num_outputs, num_classes)
        except ValueError as error:
            raise ValueError(f"{where}, line {number}: {error}") from None
        found.setdefault(utterance, []).append(chunk)
    return found


def _parsed(fields: list[str], num_outputs: int, num_classes: int) -> tuple[str, ChunkRange]:
    if len(fields) != 6:
        raise ValueError(f"expected six fields ({FIELDS}), found {len(fields)}")
    utterance, _, _, first, count, label = fields
    try:
        output, _, *span = map(int, fields[1:])
    except ValueError:
        raise ValueError(f"expected integers after the utterance, found {' '.join(fields[1:])}") from None
    chunk = ChunkRange(f"{utterance}-{first}-{count}-{label}", output, *span)
    for what, value, least, end in (
        ("output", output, 0, num_outputs),
        ("class", chunk.label, 0, num_classes),
        ("first frame", chunk.first_frame, 0, None),
        ("number of frames", chunk.num_frames, 1, None),
    ):
        if value < least or (end is not None and value >= end):
            limits = f"at least {least}" if end is None else f"in {least} ... {end - 1}"
            raise ValueError(f"the {what} is {value}, but must be {limits}")
    return utterance, chunk


def chunk_example(chunk: ChunkRange, x: np.ndarray, num_classes: int, compress: bool) -> NnetExample:
    """The example of a chunk of features x (frames, dim), moved back where it reaches past the end."""
    first = min(chunk.first_frame, len(x) - chunk.num_frames)
    rows: GeneralMatrix = np.ascontiguousarray(x[first : first + chunk.num_frames], np.float32)
    label = from_pairs([[(chunk.label, 1.0)]], num_classes)
    return NnetExample(
        [
            NnetIo("input", frame_indexes(0, chunk.num_frames), compressed(rows) if compress else rows),
            NnetIo("output", frame_indexes(0, 1), label),
        ]
    )

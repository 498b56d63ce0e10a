"""Chain (LF-MMI) training examples in Kaldi's format: inputs as ever, outputs with acceptors of pdfs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from nnet.formats.basic import KaldiInput, KaldiOutput
from nnet.formats.examples import MAX_IO, NnetIo, read_indexes, read_io, write_indexes, write_io
from nnet.formats.fst import read_fst, write_compact_fst
from nnet.formats.kinds import Kind
from nnet.formats.matrix import read_vector, write_vector
from nnet.fst.arrays import Fst
from nnet.supervision import Supervision

N, T, X = 0, 1, 2  # columns of indexes


@dataclass
class ChainOutput:
    """What one output is to say (NnetChainSupervision).

    `indexes` (K, 3) int32: n, t, x = 0, in the order of t, then n. `deriv_weights` (K,) in the same order:
    factors on the derivative, empty where all are 1.
    """

    name: str
    indexes: np.ndarray
    supervision: Supervision
    deriv_weights: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))


@dataclass
class ChainExample:
    """One example, or a minibatch of merged ones (NnetChainExample)."""

    inputs: list[NnetIo]
    outputs: list[ChainOutput]


def read_chain_example(src: KaldiInput) -> ChainExample:
    """The example that comes next (NnetChainExample::Read)."""
    src.expect("<Nnet3ChainEg>")
    inputs = [read_io(src) for _ in range(_count(src, "<NumInputs>", "inputs"))]
    outputs = [read_chain_output(src) for _ in range(_count(src, "<NumOutputs>", "outputs"))]
    src.expect("</Nnet3ChainEg>")
    return ChainExample(inputs, outputs)


def _count(src: KaldiInput, token: str, what: str) -> int:
    src.expect(token)
    count = src.int32()
    if not 0 < count <= MAX_IO:
        src.error(f"expected a chain example with 1 to {MAX_IO} {what}, found {count}")
    return count


def read_chain_output(src: KaldiInput) -> ChainOutput:
    """The output that comes next (NnetChainSupervision::Read)."""
    src.expect("<NnetChainSup>")
    name = src.token()
    indexes = read_indexes(src)
    offset = src.offset
    supervision = read_supervision(src)
    weights = np.zeros(0, np.float32)
    token = src.expect("<DW2>", "<DW>", "</NnetChainSup>")
    if token != "</NnetChainSup>":
        weights = read_vector(src, np.float32) if token == "<DW2>" else _read_old_weights(src)
        src.expect("</NnetChainSup>")
    output = ChainOutput(name, indexes, supervision, weights)
    try:
        check_output(output)
    except ValueError as error:
        src.error(str(error), offset)
    return output


def _read_old_weights(src: KaldiInput) -> np.ndarray:
    """Numbers stored as bytes, 255 for 1 (ReadVectorAsChar)."""
    if not src.binary:
        return read_vector(src, np.float32)
    if src.read_bytes(1, "a vector of bytes") != b"\x01":
        src.error("expected a vector of bytes (size byte 1)")
    count = int.from_bytes(src.read_bytes(4, "the size of a vector"), "little", signed=True)
    return src.array("u1", count, f"a vector of {count} bytes").astype(np.float32) / np.float32(255)


def check_output(output: ChainOutput) -> None:
    """Raise ValueError unless indexes are frames evenly apart, by t, then n, and weights fit (CheckDim)."""
    s, indexes = output.supervision, output.indexes
    if len(indexes) != s.num_frames:
        raise ValueError(
            f"'{output.name}' has {len(indexes)} indexes for {s.num_sequences} sequences "
            f"of {s.frames_per_sequence} frames"
        )
    first, second = indexes[0, T], indexes[s.num_sequences :, T][:1]
    step = int(second[0] - first) if len(second) else 1
    if step < 1 or not np.array_equal(
        indexes, _grid(int(first), s.frames_per_sequence, step, s.num_sequences)
    ):
        raise ValueError(f"the indexes of '{output.name}' are not ordered by t, then n, in even steps")
    w = output.deriv_weights
    if len(w) not in (0, len(indexes)) or (len(w) and not w.min() >= 0):
        raise ValueError(
            f"'{output.name}' has {len(w)} weights of derivatives for {len(indexes)} frames, "
            f"the smallest {w.min():g}"
        )


@lru_cache(maxsize=256)
def _grid(first: int, frames: int, step: int, sequences: int) -> np.ndarray:
    """Indexes of frames `step` apart, in the order of t, then n."""
    indexes = np.zeros((frames, sequences, 3), np.int32)
    indexes[:, :, N] = np.arange(sequences)
    indexes[:, :, T] = (first + step * np.arange(frames))[:, None]
    return indexes.reshape(-1, 3)


def read_supervision(src: KaldiInput) -> Supervision:
    """The supervision that comes next (chain::Supervision::Read)."""
    src.expect("<Supervision>")
    offset = src.offset
    src.expect("<Weight>")
    weight = src.float()
    sequences, frames, labels = (
        _int_after(src, token) for token in ("<NumSequences>", "<FramesPerSeq>", "<LabelDim>")
    )
    src.expect("<End2End>")
    end_to_end = src.bool()
    fsts = _read_fsts(src, sequences) if end_to_end else [_read_fst(src)]
    pdfs = np.zeros(0, np.int32)
    if src.expect("<AlignmentPdfs>", "</Supervision>") == "<AlignmentPdfs>":
        pdfs = src.int_vector()
        src.expect("</Supervision>")
    try:
        return Supervision(weight, sequences, frames, labels, end_to_end, tuple(fsts), pdfs)
    except ValueError as error:
        src.error(str(error), offset)


def _int_after(src: KaldiInput, token: str) -> int:
    src.expect(token)
    return src.int32()


def _read_fsts(src: KaldiInput, count: int) -> list[Fst]:
    src.expect("<Fsts>")
    src.need(count, f"supervision of {count} sequences")
    fsts = [_read_fst(src) for _ in range(count)]
    src.expect("</Fsts>")
    return fsts


def _read_fst(src: KaldiInput) -> Fst:
    if not src.binary:
        while src.peek_byte() in (32, 9, 13):  # white space, but no line break
            src.read_bytes(1)
    return read_fst(src, ("compact_acceptor",))


# -- writing


def write_chain_example(out: KaldiOutput, example: ChainExample) -> None:
    """Write `example` (NnetChainExample::Write). Raises ValueError if it lacks inputs or outputs."""
    if not example.inputs or not example.outputs:
        raise ValueError("a chain example without inputs or without outputs cannot be written")
    out.token("<Nnet3ChainEg>")
    out.token("<NumInputs>")
    out.int32(len(example.inputs))
    out.newline()
    for io in example.inputs:
        write_io(out, io)
        out.newline()
    out.token("<NumOutputs>")
    out.int32(len(example.outputs))
    out.newline()
    for output in example.outputs:
        write_chain_output(out, output)
        out.newline()
    out.token("</Nnet3ChainEg>")


def write_chain_output(out: KaldiOutput, output: ChainOutput) -> None:
    """Write an output (NnetChainSupervision::Write). Raises ValueError if indexes and frames differ."""
    check_output(output)
    out.token("<NnetChainSup>")
    out.token(output.name)
    write_indexes(out, output.indexes)
    write_supervision(out, output.supervision)
    out.token("<DW2>")
    write_vector(out, output.deriv_weights.astype(np.float32, copy=False))
    out.token("</NnetChainSup>")


def write_supervision(out: KaldiOutput, s: Supervision) -> None:
    """Write supervision (chain::Supervision::Write); FSTs must be acceptors.

    Raises ValueError if they should be joined to one and are not.
    """
    if len(s.fsts) > 1 and not s.end_to_end:
        raise ValueError(f"the FSTs of {len(s.fsts)} sequences must be joined to be written")
    out.token("<Supervision>")
    out.token("<Weight>")
    out.float(s.weight)
    for token, value in (
        ("<NumSequences>", s.num_sequences),
        ("<FramesPerSeq>", s.frames_per_sequence),
        ("<LabelDim>", s.label_dim),
    ):
        out.token(token)
        out.int32(value)
    out.token("<End2End>")
    out.bool(s.end_to_end)
    if s.end_to_end:
        out.token("<Fsts>")
    for fst in s.fsts:
        write_compact_fst(out, fst)
    if s.end_to_end:
        out.token("</Fsts>")
    if len(s.alignment_pdfs):
        out.token("<AlignmentPdfs>")
        out.int_vector(s.alignment_pdfs)
    out.token("</Supervision>")


SUPERVISION = Kind("chain supervision", read_supervision, write_supervision)
CHAIN_EXAMPLE = Kind("chain example", read_chain_example, write_chain_example)

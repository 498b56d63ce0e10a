"""Chain examples: Kaldi's archives byte for byte, both sorts of supervision, damaged data."""

import filecmp
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnet.formats.basic import FormatError, KaldiInput, KaldiOutput
from nnet.formats.chain_examples import (
    CHAIN_EXAMPLE,
    ChainExample,
    ChainOutput,
    read_chain_output,
    write_chain_example,
    write_chain_output,
)
from nnet.formats.examples import NnetIo
from nnet.formats.tables import TableWriter, read_table
from nnet.fst.arrays import Fst, same
from nnet.supervision import Supervision

GOLDEN = Path(__file__).parents[2] / "golden" / "chain"
INF = float("inf")
PATHS = Fst.from_arcs([(0, 1, 1, 0.5, 1), (0, 2, 2, 0.25, 1), (1, 3, 3, 0.0, 2)], [INF, INF, 0.125])


def indexes(sequences: int, frames: int) -> np.ndarray:
    return np.array([(n, 3 * t, 0) for t in range(frames) for n in range(sequences)], np.int32)


def output(**changes) -> ChainOutput:
    supervision = Supervision(1.0, 1, 2, 3, False, (PATHS,))
    return replace(ChainOutput("output", indexes(1, 2), supervision), **changes)


def written(value: ChainOutput, binary: bool) -> bytes:
    stream = io.BytesIO()
    write_chain_output(KaldiOutput(stream, binary), value)
    return stream.getvalue()


def parsed(data: bytes, binary: bool = True) -> ChainOutput:
    return read_chain_output(KaldiInput(io.BytesIO(data), "here", binary))


def copy(source: str, target: str) -> None:
    with TableWriter(target, CHAIN_EXAMPLE) as writer:
        for key, example in read_table(source, CHAIN_EXAMPLE):
            writer.write(key, example)


def test_an_archive_of_kaldi_comes_back_byte_for_byte(tmp_path):
    copy(f"ark:{GOLDEN}/unmerged.cegs", f"ark:{tmp_path}/x")
    assert filecmp.cmp(tmp_path / "x", GOLDEN / "unmerged.cegs", shallow=False)


def test_an_archive_of_merged_examples_comes_back_byte_for_byte(shared, tmp_path):
    path = shared / "golden/chain/tdnnf/cegs.ark"
    copy(f"ark:{path}", f"ark:{tmp_path}/x")
    assert filecmp.cmp(tmp_path / "x", path, shallow=False)


def test_text_is_the_text_of_kaldi(kaldi, tmp_path):
    kaldi("nnet3-chain-copy-egs", f"ark:{GOLDEN}/unmerged.cegs", f"ark,t:{tmp_path}/kaldi")
    copy(f"ark:{GOLDEN}/unmerged.cegs", f"ark,t:{tmp_path}/ours")
    assert filecmp.cmp(tmp_path / "kaldi", tmp_path / "ours", shallow=False)


def test_examples_come_back_from_text(tmp_path):
    copy(f"ark:{GOLDEN}/unmerged.cegs", f"ark,t:{tmp_path}/a")
    copy(f"ark:{tmp_path}/a", f"ark,t:{tmp_path}/b")
    assert filecmp.cmp(tmp_path / "a", tmp_path / "b", shallow=False)


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "text"])
@pytest.mark.parametrize(
    "value",
    [
        output(),
        output(deriv_weights=np.float32([0.5, 1])),
        output(supervision=Supervision(0.5, 1, 2, 3, False, (PATHS,), np.int32([0, 2]))),
        ChainOutput("output-2", indexes(2, 2), Supervision(1.0, 2, 2, 3, True, (PATHS, PATHS))),
    ],
    ids=["plain", "weighted", "with an alignment", "end to end"],
)
def test_an_output_comes_back(value, binary):
    back = parsed(written(value, binary), binary)
    assert back.name == value.name
    assert np.array_equal(back.indexes, value.indexes)
    assert np.array_equal(back.deriv_weights, value.deriv_weights)
    for name in ("weight", "num_sequences", "frames_per_sequence", "label_dim", "end_to_end"):
        assert getattr(back.supervision, name) == getattr(value.supervision, name)
    assert np.array_equal(back.supervision.alignment_pdfs, value.supervision.alignment_pdfs)
    assert all(same(a, b) for a, b in zip(back.supervision.fsts, value.supervision.fsts))


def test_weights_of_old_files_are_bytes():
    data = written(output(), True)
    start = data.index(b"<DW2>")
    old = data[:start] + b"<DW> \x01\x02\0\0\0\xff\0</NnetChainSup> "
    assert parsed(old).deriv_weights.tolist() == [1.0, 0.0]
    with pytest.raises(FormatError, match="size byte 1"):
        parsed(data[:start] + b"<DW> \x04\x02\0\0\0\xff\0</NnetChainSup> ")


def test_weights_of_the_oldest_files_are_absent():
    data = written(output(), True)
    assert len(parsed(data[: data.index(b"<DW2>")] + b"</NnetChainSup> ").deriv_weights) == 0


@pytest.mark.parametrize(
    "value, message",
    [
        (output(indexes=indexes(1, 3)), "3 indexes for 1 sequences of 2 frames"),
        (output(indexes=indexes(1, 2)[::-1]), "not ordered by t"),
        (output(deriv_weights=np.ones(3, np.float32)), "3 weights of derivatives for 2 frames"),
        (output(deriv_weights=np.float32([1, -1])), "the smallest -1"),
    ],
)
def test_an_output_whose_parts_do_not_fit_is_not_written(value, message):
    with pytest.raises(ValueError, match=message):
        written(value, True)


@pytest.mark.parametrize(
    "old, new, message",
    [
        (
            b"<NumSequences> \4\1",
            b"<NumSequences> \4\2",
            "here, byte .*2 indexes for 2 sequences of 2 frames",
        ),
        (b"<FramesPerSeq> \4\2", b"<FramesPerSeq> \4\0", "here, byte .*1 sequences with 0 frames"),
        (b"<LabelDim>", b"<LabelDin>", "expected <LabelDim>"),
        (b"<End2End> F", b"<End2End> X", "expected T or F"),
        (b"<End2End> F", b"<End2End> T", "expected"),
        (b"<DW2>", b"<DW3>", "expected <DW2> or <DW> or"),
    ],
)
def test_damaged_supervision_is_refused_by_name(old, new, message):
    data = written(output(), True)
    assert old in data
    with pytest.raises(FormatError, match=message):
        parsed(data.replace(old, new, 1))


def test_as_many_fsts_as_sequences_are_expected():
    with pytest.raises(ValueError, match="1 FSTs where 2 are expected"):
        Supervision(1.0, 2, 2, 3, True, (PATHS,))
    assert Supervision(1.0, 2, 3, 3, False, (PATHS,)).num_frames == 6


def test_examples_without_inputs_or_with_none_are_refused():
    with pytest.raises(ValueError, match="without inputs"):
        write_chain_example(KaldiOutput(io.BytesIO()), ChainExample([], [output()]))
    data = b"<Nnet3ChainEg> <NumInputs> \4\0\0\0\0"
    with pytest.raises(FormatError, match="1 to 1000000 inputs, found 0"):
        CHAIN_EXAMPLE.read(KaldiInput(io.BytesIO(data), "here"))


def test_every_truncated_archive_is_refused_by_name():
    io_ = NnetIo("input", indexes(1, 2), np.ones((2, 3), np.float32))
    stream = io.BytesIO()
    write_chain_example(KaldiOutput(stream), ChainExample([io_], [output()]))
    data = stream.getvalue()
    for cut in range(1, len(data) - 1, 7):
        with pytest.raises(FormatError, match="here, byte"):
            CHAIN_EXAMPLE.read(KaldiInput(io.BytesIO(data[:cut]), "here"))

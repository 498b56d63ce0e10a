"""Examples: Kaldi's archives byte for byte, indexes of every sort, damaged data."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnet.formats.basic import FormatError, KaldiInput, KaldiOutput
from nnet.formats.compressed import CompressedMatrix, compress
from nnet.formats.examples import (
    EXAMPLE,
    NnetExample,
    NnetIo,
    read_example,
    read_indexes,
    write_example,
    write_indexes,
)
from nnet.formats.tables import TableWriter, read_table

ARCHIVES = (
    "egs/fixed.ark",
    "egs/fixed.frame.ark",
    "egs/fixed.merged.ark",
    "egs/overlap.ark",
    "egs/several.ark",
    "egs/several.merged.ark",
    "cases/tdnnf/egs.ark",
    "cases/ff_idct_lda_ivector/egs.ark",
    "cases/xvector/egs.ark",
    "cases/two_outputs_objectives/egs.ark",
)
INDEX = st.tuples(st.integers(-3, 3), st.integers(-(2**20), 2**20), st.sampled_from([0, 0, 0, 1]))
STEADY = st.builds(
    lambda n, t, count, step: [(n, t + i * step, 0) for i in range(count)],
    st.integers(0, 3),
    st.integers(-200, 200),
    st.integers(1, 40),
    st.sampled_from([1, 3, 124, 125, -1]),
)


def written(indexes, binary=True) -> bytes:
    stream = io.BytesIO()
    write_indexes(KaldiOutput(stream, binary), np.array(indexes, np.int32).reshape(-1, 3))
    return stream.getvalue()


def source(data: bytes, binary=True) -> KaldiInput:
    return KaldiInput(io.BytesIO(data), "file", binary)


@pytest.mark.parametrize("archive", ARCHIVES)
def test_kaldis_archives_are_written_as_they_were(archive, shared, tmp_path):
    name = shared / "golden" / archive
    with TableWriter(f"ark:{tmp_path}/out", EXAMPLE) as writer:
        for key, example in read_table(f"ark:{name}", EXAMPLE):
            writer.write(key, example)
    assert (tmp_path / "out").read_bytes() == name.read_bytes()


@pytest.mark.parametrize(
    "archive", ["egs/fixed.ark", "egs/several.merged.ark", "cases/ff_idct_lda_ivector/egs.ark"]
)
def test_text_form_is_that_of_kaldis_copy(archive, shared, kaldi, tmp_path):
    name = shared / "golden" / archive
    kaldi("nnet3-copy-egs", f"ark:{name}", f"ark,t:{tmp_path}/kaldi.txt")
    with TableWriter(f"ark,t:{tmp_path}/ours.txt", EXAMPLE) as writer:
        for key, example in read_table(f"ark:{name}", EXAMPLE):
            writer.write(key, example)
    assert (tmp_path / "ours.txt").read_bytes() == (tmp_path / "kaldi.txt").read_bytes()
    text = [
        (k, [(io.name, io.indexes.tolist()) for io in e.io]) for k, e in read_table(f"ark:{name}", EXAMPLE)
    ]
    again = read_table(f"ark:{tmp_path}/ours.txt", EXAMPLE)
    assert [(k, [(io.name, io.indexes.tolist()) for io in e.io]) for k, e in again] == text


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(STEADY, st.lists(INDEX, max_size=4)), max_size=6), st.booleans())
def test_indexes_are_read_back(runs, binary):
    indexes = [index for run in runs for index in run]
    got = read_indexes(source(written(indexes, binary), binary))
    np.testing.assert_array_equal(got, np.array(indexes, np.int32).reshape(-1, 3))
    assert written(got, binary) == written(indexes, binary)


def test_small_steps_take_one_byte_each():
    assert written([(0, -3, 0), (0, 0, 0), (0, 124, 0)]) == b"<I1V> \4\3\0\0\0\xfd\3\x7c"


def test_other_indexes_are_written_in_full():
    full = b"\x7f\4\1\0\0\0\4\x02\0\0\0\4\0\0\0\0"
    assert written([(0, 1, 0), (1, 2, 0), (1, 3, 0)]) == b"<I1V> \4\3\0\0\0\1" + full + b"\1"
    assert written([(0, 125, 0)])[11:12] == b"\x7f"


def test_indexes_of_examples_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        read_indexes(source(written([(0, 1, 0)])))[0, 0] = 3


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<I1V> \4\2\0\0\0\1", "2 indexes needs 2 bytes"),
        (b"<I1V> \4\1\0\0\0\x7d", "a code byte is neither a small difference nor 127"),
        (b"<I1V> \4\1\0\0\0\x80", "a code byte is neither"),
        (b"<I1V> \4\xff\xff\xff\xff", "-1 bytes"),
        (b"<I1V> \4\1\0\0\0\x7f\4\1\0\0\0\4\x02\0", "an index needs 15 bytes"),
        (b"<I1V> \4\1\0\0\0\x7f\5\1\0\0\0\4\2\0\0\0\4\0\0\0\0", "expected integers of four bytes"),
        (b"<I2V> ", "expected <I1V>, found <I2V>"),
    ],
)
def test_damaged_indexes_are_refused(data, message):
    with pytest.raises(FormatError, match=message):
        read_indexes(source(data))


def example() -> NnetExample:
    t = np.arange(4, dtype=np.int32)
    indexes = np.stack([0 * t, t, 0 * t], axis=1)
    features = compress(np.arange(12, dtype=np.float32).reshape(4, 3))
    return NnetExample(
        [NnetIo("input", indexes, features), NnetIo("output", indexes[:1], np.ones((1, 2), np.float32))]
    )


def bytes_of(e: NnetExample) -> bytes:
    stream = io.BytesIO()
    write_example(KaldiOutput(stream), e)
    return stream.getvalue()


def test_features_stay_compressed():
    again = read_example(source(bytes_of(example())))
    assert isinstance(again.io[0].features, CompressedMatrix)
    assert [io.name for io in again.io] == ["input", "output"]


def test_keys_with_a_query_are_keys(tmp_path):
    with TableWriter(f"ark:{tmp_path}/e", EXAMPLE) as writer:
        writer.write("utt-8?lang=cz", example())
    assert [key for key, _ in read_table(f"ark:{tmp_path}/e", EXAMPLE)] == ["utt-8?lang=cz"]


def test_examples_cut_short_are_errors():
    data = bytes_of(example())
    for length in range(len(data) - 1):
        with pytest.raises(FormatError, match=r"^file, byte \d+: "):
            read_example(source(data[:length]))


def test_rows_and_indexes_must_agree():
    e = example()
    e.io[0].indexes = e.io[0].indexes[:3]
    with pytest.raises(ValueError, match="input: 4 rows for 3 indexes; they must agree"):
        bytes_of(e)
    data = bytes_of(example())
    wrong = data.replace(b"output <I1V> \4\1\0\0\0\0", b"output <I1V> \4\2\0\0\0\0\1")
    with pytest.raises(FormatError, match="output: expected a row for each of 2 indexes, found 1 rows"):
        read_example(source(wrong))


@pytest.mark.parametrize("count", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f"])
def test_impossible_numbers_of_inputs_are_refused(count):
    with pytest.raises(FormatError, match="expected an example with 1 to 1000000 inputs and outputs"):
        read_example(source(b"<Nnet3Eg> <NumIo> \4" + count))


def test_an_empty_example_is_not_written():
    with pytest.raises(ValueError, match="without inputs and outputs"):
        bytes_of(NnetExample([]))

"""Matrices and vectors in files: both forms, both precisions, Kaldi's bytes, damage."""

from __future__ import annotations

import io

import numpy as np
import pytest

from nnet.formats.basic import FormatError, KaldiInput, KaldiOutput
from nnet.formats.compressed import Method, compress
from nnet.formats.matrix import (
    CompressedMatrix,
    SparseMatrix,
    dense,
    from_pairs,
    read_general_matrix,
    read_matrix,
    read_vector,
    row_range,
    write_matrix,
    write_vector,
)


def written(value: object, binary: bool) -> bytes:
    stream = io.BytesIO()
    write = write_vector if np.ndim(value) == 1 else write_matrix
    write(KaldiOutput(stream, binary), value)
    return stream.getvalue()


def reader(data: bytes, binary: bool) -> KaldiInput:
    return KaldiInput(io.BytesIO(data), "file", binary)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (0, 0), (100, 7)])
def test_a_binary_matrix_is_read_as_it_was(shape, dtype, rng):
    x = rng.standard_normal(shape).astype(dtype)
    back = read_matrix(reader(written(x, True), True))
    assert back.dtype == dtype
    assert np.array_equal(back, x)
    assert back.flags.writeable


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_caller_may_choose_the_precision(binary, dtype, rng):
    x = rng.standard_normal((3, 4))
    assert read_matrix(reader(written(x, binary), binary), dtype).dtype == dtype
    assert read_vector(reader(written(x[0], binary), binary), dtype).dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_binary_vector_is_read_as_it_was(dtype, rng):
    v = rng.standard_normal(5).astype(dtype)
    back = read_vector(reader(written(v, True), True))
    assert back.dtype == dtype
    assert np.array_equal(back, v)


def test_matrices_and_vectors_have_kaldis_bytes(rng, tmp_path):
    native = pytest.importorskip("kaldi_native_io")
    x = (rng.standard_normal((4, 5)) * 10.0 ** rng.integers(-10, 10, (4, 5))).astype(np.float32)
    cases = [(native.FloatMatrixWriter, x), (native.DoubleMatrixWriter, x.astype(np.float64))]
    cases += [(native.FloatVectorWriter, x[0]), (native.DoubleVectorWriter, x[0].astype(np.float64))]
    cases += [(native.FloatMatrixWriter, np.zeros((0, 0), np.float32)), (native.FloatVectorWriter, x[0, :0])]
    for writer, value in cases:
        for form, binary in (("ark", True), ("ark,t", False)):
            with writer(f"{form}:{tmp_path}/a") as table:
                table.write("k", value)
            header = b"k \0B" if binary else b"k "
            assert (tmp_path / "a").read_bytes() == header + written(value, binary)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b" [\n  1 2\n  3 4 ]\n", [[1, 2], [3, 4]]),
        (b"[ 1 2\n 3 4 ]", [[1, 2], [3, 4]]),
        (b"[ 1 2; 3 4; ]\r\n", [[1, 2], [3, 4]]),
        (b" [ -1.5e3 inf ]\n", [[-1500, np.inf]]),
        (b" [ ]\n", np.zeros((0, 0))),
        (b"[]", np.zeros((0, 0))),
    ],
)
def test_text_forms_that_kaldi_reads(text, expected):
    source = reader(text, False)
    assert np.array_equal(read_matrix(source), np.array(expected, np.float32))
    assert source.at_end()


@pytest.mark.parametrize(
    ("data", "binary", "message"),
    [
        (b" [ 1 2\n 3 ]", False, "row 1 of a matrix has 1 columns, the rows before have 2"),
        (b" [ 1 x ]", False, "expected numbers"),
        (b" [ 1_0 ]", False, "expected numbers"),
        (b" [ 1 2", False, r"expected \], found the end of the file"),
        (b"1 2 ]", False, r"expected \[, found"),
        (b"XM \4\1\0\0\0\4\1\0\0\0", True, "expected FM or DM, found XM"),
        (b"FM \4\xff\xff\xff\xff\4\1\0\0\0", True, "-1 rows and 1 columns"),
        (b"FM \4\0\0\0\0\4\1\0\0\0", True, "0 rows and 1 columns"),
        (b"FM \4\xff\xff\xff\x7f\4\xff\xff\xff\x7f", True, "the file has 0 left"),
        (b"CM \0\0\0\0\0\0\0\0\xff\xff\xff\x7f\xff\xff\xff\x7f", True, "the file has 0 left"),
        (b"CM4 ", True, "expected CM or CM2 or CM3, found CM4"),
        (b"CM2 \0\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0", True, "needs 2 bytes, the file has 0 left"),
    ],
)
def test_a_damaged_matrix_is_refused_with_its_place(data, binary, message):
    with pytest.raises(FormatError, match=f"file, byte [0-9]+: .*{message}"):
        read_matrix(reader(data, binary))


@pytest.mark.parametrize(
    ("data", "binary", "message"),
    [
        (b" [ 1\n2 ]", False, "a line ends within a vector"),
        (b"FV \4\xff\xff\xff\xff", True, "dimension -1"),
        (b"FV \4\xff\xff\xff\x7f", True, "the file has 0 left"),
        (b"FM \4\1\0\0\0", True, "expected FV or DV, found FM"),
    ],
)
def test_a_damaged_vector_is_refused_with_its_place(data, binary, message):
    with pytest.raises(FormatError, match=message):
        read_vector(reader(data, binary))


def test_a_general_matrix_keeps_its_form(rng):
    x = rng.standard_normal((10, 3)).astype(np.float32)
    for m, kind in (
        (x, np.ndarray),
        (compress(x), CompressedMatrix),
        (from_pairs([[(1, 2.0)]], 3), SparseMatrix),
    ):
        back = read_general_matrix(reader(written(m, True), True))
        assert isinstance(back, kind)
        assert np.array_equal(dense(back), dense(m))


def test_compressed_matrices_become_plain_ones_in_text(rng):
    m = compress(rng.standard_normal((10, 3)))
    back = read_general_matrix(reader(written(m, False), False))
    assert isinstance(back, np.ndarray)
    assert np.allclose(back, m.dense(), rtol=1e-6)


@pytest.mark.parametrize("start", [-2, 0, 3])
def test_row_ranges_agree_for_all_forms(start, rng):
    x = rng.standard_normal((12, 3)).astype(np.float32)
    wanted = x[np.clip(np.arange(start, start + 11), 0, 11)]
    pairs = [[(c, float(v)) for c, v in enumerate(row)] for row in x]
    compressed = compress(x, Method.TWO_BYTE_AUTO)
    assert np.array_equal(row_range(x, start, 11, pad=True), wanted)
    assert np.array_equal(dense(row_range(from_pairs(pairs, 3), start, 11, pad=True)), wanted)
    assert np.allclose(dense(row_range(compressed, start, 11, pad=True)), wanted, atol=1e-4)


@pytest.mark.parametrize("m", [np.ones((3, 2)), compress(np.ones((3, 2))), from_pairs([[(0, 1)]] * 3, 2)])
def test_missing_rows_are_refused_without_padding(m):
    with pytest.raises(ValueError, match="rows 2 to 3 wanted, the matrix has 3 rows"):
        row_range(m, 2, 2)


@pytest.mark.parametrize("m", [np.ones((0, 2)), compress(np.ones((0, 2))), from_pairs([], 2)])
def test_an_empty_matrix_has_no_rows_to_repeat(m):
    with pytest.raises(ValueError, match="rows"):
        row_range(m, 0, 2, pad=True)


@pytest.mark.parametrize(("value", "message"), [(np.ones((2, 2, 2)), "shape"), (np.array([["a"]]), "type")])
def test_what_is_no_matrix_is_not_written(value, message):
    with pytest.raises(ValueError, match=message):
        write_matrix(KaldiOutput(io.BytesIO()), value)

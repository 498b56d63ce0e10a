"""Sparse matrices: both forms, the quick path, rows, damage."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest

from nnet.formats.basic import FormatError, KaldiInput, KaldiOutput
from nnet.formats.sparse import SparseMatrix, from_pairs, read_sparse, write_sparse

MATRICES = {
    "one element in each row": from_pairs([[(r % 5, r + 0.5)] for r in range(9)], 5),
    "many": from_pairs([[(0, 1.0), (4, 0.25)], [], [(2, -3.0)]], 5),
    "empty rows": from_pairs([[], []], 5),
    "no rows": from_pairs([], 0),
}


def written(m: SparseMatrix, binary: bool = True) -> bytes:
    stream = io.BytesIO()
    write_sparse(KaldiOutput(stream, binary), m)
    return stream.getvalue()


def read(data: bytes, binary: bool = True) -> SparseMatrix:
    return read_sparse(KaldiInput(io.BytesIO(data), "file", binary))


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("name", MATRICES)
def test_what_is_written_is_read_again(name, binary):
    m = MATRICES[name]
    back = read(written(m, binary), binary)
    assert back.shape == (m.rows, m.cols if m.rows else 0)
    assert np.array_equal(back.dense(), m.dense())
    assert written(back, binary) == written(m, binary)


def test_bytes_are_those_of_kaldi():
    head = b"SM \4\2\0\0\0"
    first = (
        b"SV \4\5\0\0\0\4\2\0\0\0"
        + b"\4\0\0\0\0\4"
        + struct.pack("<f", 1)
        + b"\4\4\0\0\0\4"
        + struct.pack("<f", 0.25)
    )
    m = from_pairs([[(4, 0.25), (0, 1.0)], []], 5)
    assert written(m) == head + first + b"SV \4\5\0\0\0\4\0\0\0\0"
    assert written(m, False) == b"rows=2 dim=5 [ 0 1 4 0.25 ] dim=5 [ ] \n"


def test_pairs_are_sorted_merged_and_zeros_dropped():
    m = from_pairs([[(3, 1.0), (1, 2.0), (3, 0.5), (2, 0.0)]], 4)
    assert m.indices.tolist() == [1, 3]
    assert m.values.tolist() == [2.0, 1.5]


def test_a_column_outside_is_refused():
    with pytest.raises(ValueError, match="column 4 of a sparse matrix with 4 columns"):
        from_pairs([[(4, 1.0)]], 4)


def test_rows_can_be_taken_in_any_order():
    m = MATRICES["many"]
    assert np.array_equal(m.take(np.array([2, 0, 0, 1])).dense(), m.dense()[[2, 0, 0, 1]])


def test_values_stored_as_double_are_read():
    data = b"SM \4\1\0\0\0SV \4\5\0\0\0\4\1\0\0\0\4\3\0\0\0\10" + struct.pack("<d", 0.5)
    assert read(data).dense()[0, 3] == 0.5


def test_the_quick_path_leaves_what_follows():
    source = KaldiInput(io.BytesIO(written(MATRICES["one element in each row"]) + b"next "), "file", True)
    read_sparse(source)
    assert source.token() == "next"


ROW = b"SV \4\5\0\0\0\4\1\0\0\0"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"SM \4\xff\xff\xff\xff", "-1 rows"),
        (b"SM \4\xff\xff\xff\x7f", "the file has 0 left"),
        (b"SM \4\1\0\0\0XV \4\5\0\0\0\4\0\0\0\0", "expected a sparse vector"),
        (b"SM \4\1\0\0\0SV \4\5\0\0\0\4\6\0\0\0", "dimension 5 has 6 elements"),
        (b"SM \4\1\0\0\0" + ROW + b"\4\5\0\0\0\4" + bytes(4), "columns of a sparse vector must rise"),
        (b"SM \4\1\0\0\0" + ROW + b"\4\0\0\0\0\5" + bytes(4), "pairs of integer and float"),
        (
            b"SM \4\2\0\0\0SV \4\5\0\0\0\4\0\0\0\0SV \4\6\0\0\0\4\0\0\0\0",
            "row 1 of a sparse matrix has dimension 6",
        ),
    ],
)
def test_a_damaged_matrix_is_refused(data, message):
    with pytest.raises(FormatError, match=message):
        read(data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"rows=x ", "expected rows=integer, found rows=x"),
        (b"rows=999999999 ", "the file has 0 left"),
        (b"rows=1 dim=5 [ 1 ] \n", "has no value"),
        (b"rows=1 dim=5 [ 1 x ] \n", "pairs of integer and number"),
        (b"rows=1 dim=5 [ 3 1 2 1 ] \n", "must rise"),
    ],
)
def test_damaged_text_is_refused(text, message):
    with pytest.raises(FormatError, match=message):
        read(text, False)

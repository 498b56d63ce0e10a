"""Archives with damaged values, or values of another kind: what is told, and where."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from nnet.formats.basic import FormatError
from nnet.formats.tables import (
    BOOL,
    FLOAT,
    INT,
    INT_VECTOR,
    INT_VECTOR_VECTOR,
    MATRIX,
    POSTERIOR,
    TOKEN,
    read_table,
)
from tests.nnet.formats.tables import write


def test_a_pickle_is_not_loaded(tmp_path):
    (tmp_path / "a").write_bytes(b"k PKL\x80\x04\x95cos\nsystem\n(S'touch pwned'\ntR.")
    with pytest.raises(FormatError):
        list(read_table(f"ark:{tmp_path}/a", MATRIX))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"key", r"a, byte 0: expected a space after the key b'key', found the end of the file"),
        (b"key\0BFM ", r"byte 0: the key .* contains a zero byte"),
        (b"key \0X", r"binary object starts with"),
        (b"k \0BFM \4\1\0\0\0\4\1\0\0\0" + bytes(4) + b"garbage", r"byte 21: expected a space after the key"),
        (b"k \0BFM \4\1\0\0\0\4\2\0\0\0" + bytes(4), r"needs 8 bytes, the file has 4 left.*\(value of k\)"),
    ],
)
def test_damage_is_reported_with_file_place_and_key(data, message, tmp_path):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(FormatError, match=message):
        list(read_table(f"ark:{tmp_path}/a", MATRIX))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (INT, "k 1 2\n"), (INT, "k 1"), (INT, "k \n"), (INT, "k 1x\n"), (FLOAT, "k x\n"), (BOOL, "k maybe\n"),
        (TOKEN, "k a b\n"), (TOKEN, "k\n"), (TOKEN, "k a"), (INT_VECTOR, "k 1 x\n"),
        (INT_VECTOR, "k 99999999999\n"),
        (INT_VECTOR, "k 1_0\n"), (INT_VECTOR_VECTOR, "k 1 2 ; 3\n"), (POSTERIOR, "k 1 0.5\n"),
        (POSTERIOR, "k [ 1 ]\n"),
        (POSTERIOR, "k [ 1 x ]\n"), (POSTERIOR, "k [ x 1 ]\n"), (POSTERIOR, "k [ 1 0.5 ] 3\n"),
    ],
)  # fmt: skip
def test_text_that_is_not_of_the_kind_is_refused(kind, text, tmp_path):
    (tmp_path / "a").write_text(text)
    with pytest.raises(FormatError, match=r"a, byte \d+: expected|must end with a semicolon"):
        list(read_table(f"ark:{tmp_path}/a", kind))


@pytest.mark.parametrize(
    ("kind", "data", "message"),
    [
        (
            INT_VECTOR,
            b"\4\2\0\0\0\4\1\0\0\0\5\1\0\0\0",
            "element 1 of a vector: expected the size byte 4, found 5",
        ),
        (INT_VECTOR, b"\4\xff\xff\xff\xff", "has the size -1"),
        (INT_VECTOR, b"\4\xff\xff\xff\x7f", "the file has 0 left"),
        (POSTERIOR, b"\4\1\0\0\0\4\1\0\0\0\4\0\0\0\0\5" + bytes(4), "pairs of integer and float"),
        (POSTERIOR, b"\4\xff\xff\xff\x7f", "the file has 0 left"),
    ],
)
def test_binary_values_that_are_not_of_the_kind_are_refused(kind, data, message, tmp_path):
    (tmp_path / "a").write_bytes(b"k \0B" + data)
    with pytest.raises(FormatError, match=message):
        list(read_table(f"ark:{tmp_path}/a", kind))


def test_integer_vectors_must_have_one_axis(tmp_path):
    with pytest.raises(ValueError, match="one axis"):
        write(f"ark:{tmp_path}/a", INT_VECTOR, [np.ones((2, 2), int)])


def test_reading_in_the_background_reports_errors_and_stops(ten):
    folder, _ = ten
    before = threading.active_count()
    with pytest.raises(OSError, match="ended with status 3"):
        list(read_table(f"ark,bg:cat {folder}/a; exit 3 |", MATRIX))
    write(f"ark:{folder}/many", INT, list(range(100)))
    table = read_table(f"ark,bg:{folder}/many", INT)
    assert next(table) == ("key0", 0)
    table.close()
    assert threading.active_count() == before

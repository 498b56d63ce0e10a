"""Tokens, numbers and integer vectors: both forms, Kaldi's bytes, and errors that say where and what."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest

from nnet.formats.basic import FormatError, KaldiInput, KaldiOutput, open_input, open_output
from nnet.formats.streams import open_bytes


def reader(data: bytes, binary: bool = True) -> KaldiInput:
    return KaldiInput(io.BytesIO(data), "file", binary)


def written(binary: bool, *calls: tuple[str, object]) -> bytes:
    stream = io.BytesIO()
    target = KaldiOutput(stream, binary)
    for method, value in calls:
        getattr(target, method)(value)
    return stream.getvalue()


VALUES = [
    ("token", "<A>"),
    ("int32", -(2**31)),
    ("int32", 2**31 - 1),
    ("float", 0.5),
    ("double", 0.125),
    ("bool", True),
    ("bool", False),
    ("int_vector", [1, -2, 3]),
    ("int_vector", []),
    ("pair_vector", [[1, 2], [-3, 4]]),
    ("pair_vector", np.zeros((0, 2), np.int32)),
    ("token", "</A>"),
]


@pytest.mark.parametrize("binary", [True, False])
def test_what_is_written_is_read_again(tmp_path, binary):
    with open_output(f"{tmp_path}/f", binary) as target:
        for method, value in VALUES:
            getattr(target, method)(value)
    with open_input(f"{tmp_path}/f") as source:
        assert source.binary is binary
        for method, value in VALUES:
            read = getattr(source, method)()
            assert np.array_equal(read, np.asarray(value).reshape(np.shape(read)))
        assert source.at_end()


@pytest.mark.parametrize(
    ("binary", "method", "value", "expected"),
    [
        (True, "int32", 5, b"\4\5\0\0\0"),
        (False, "int32", 5, b"5 "),
        (True, "float", 1.0, b"\4" + struct.pack("<f", 1)),
        (True, "double", 1.0, b"\10" + struct.pack("<d", 1)),
        (False, "float", 0.1, b"0.1 "),
        (False, "float", 1 / 3, b"0.3333333 "),
        (False, "double", 1e-20, b"1e-20 "),
        (False, "float", 16777216.0, b"1.677722e+07 "),
        (True, "bool", True, b"T"),
        (False, "bool", False, b"F "),
        (True, "int_vector", [7], b"\4\1\0\0\0\7\0\0\0"),
        (False, "int_vector", [7, 8], b"[ 7 8 ]\n"),
        (False, "pair_vector", [[7, 8]], b"[ 7,8 ]\n"),
        (True, "token", "a", b"a "),
    ],
)
def test_bytes_are_those_of_kaldi(binary, method, value, expected):
    assert written(binary, (method, value)) == expected


def test_numbers_of_the_other_precision_are_read():
    assert reader(b"\10" + struct.pack("<d", 0.1)).float() == float(np.float32(0.1))
    assert reader(b"\4" + struct.pack("<f", 0.5)).double() == 0.5


@pytest.mark.parametrize(
    ("data", "binary", "method", "message"),
    [
        (b"", True, "token", "expected a token, found the end of the file"),
        (b"<A>", True, "token", "expected a space after the token <A>"),
        (b"\xff\xfe ", True, "token", "which is not text"),
        (b"x" * 70000, True, "token", "longer than 65536 bytes"),
        (b"\4\1\0", True, "int32", "an integer needs 4 bytes, the file has 2 left"),
        (b"\10\1\0", True, "int32", r"expected an integer \(size byte 4\), found 8"),
        (b"", True, "int32", "found the end of the file"),
        (b"x ", False, "int32", "expected an integer, found x"),
        (b"12345678901 ", False, "int32", "does not fit into 32 bits"),
        (b"] ", False, "double", "expected a number, found"),
        (b"1.2.3 ", False, "double", "expected a number, found 1.2.3"),
        (b"X", True, "bool", "expected T or F"),
        (b"", True, "bool", "expected T or F, found the end of the file"),
        (b"\4\xff\xff\xff\x7f", True, "int_vector", "the file has 0 left; it is truncated or damaged"),
        (b"\4\xff\xff\xff\xff", True, "int_vector", "a vector has the size -1"),
        (b"\4\xff\xff\xff\x7f", True, "pair_vector", "the file has 0 left"),
        (b"[ 1 x ]", False, "int_vector", "expected integers between brackets"),
        (b"[ 1 2 ", False, "int_vector", "expected ], found the end of the file"),
        (b"[ 99999999999 ]", False, "int_vector", "does not fit into 32 bits"),
        (b"1 2 ]", False, "int_vector", r"expected \[, found"),
        (b"[ 1 2 ]", False, "pair_vector", "expected integers between brackets"),
    ],
)
def test_errors_name_file_offset_and_expectation(data, binary, method, message):
    with pytest.raises(FormatError, match=f"^file, byte .*{message}"):
        getattr(reader(data, binary), method)()


def test_an_unexpected_token_is_named_with_its_place():
    source = reader(b"  <A> <B> ")
    source.expect("<A>")
    with pytest.raises(FormatError, match="file, byte 6: expected <C> or <D>, found <B>"):
        source.expect("<C>", "<D>")


def test_a_token_can_be_looked_at_ahead():
    source = reader(b"<A> " + b"x" * 50000 + b" rest ")
    assert source.peek_token() == source.token() == "<A>"
    assert source.peek_token() == source.token() == "x" * 50000
    assert source.token() == "rest"
    assert source.peek_token() == ""


def test_lines_are_read_in_binary_files_too():
    source = reader(b"<A> \none\ntwo")
    assert (source.token(), source.line(), source.line(), source.line()) == ("<A>", "", "one", "two")


def test_offset_and_remaining_follow_the_file(tmp_path):
    (tmp_path / "f").write_bytes(b"\0B<A> " + bytes(100_000))
    with open_input(f"{tmp_path}/f") as source:
        source.token()
        source.read_bytes(50_000)
        assert source.offset == 50_006
        assert source.remaining == 50_000


def test_a_pipe_has_no_size_and_is_read_in_pieces():
    with open_input("head -c 3000000 /dev/zero | tr '\\0' 'x' |") as source:
        assert source.remaining is None
        assert source.read_bytes(2_999_999) == b"x" * 2_999_999
        with pytest.raises(FormatError, match="needs 5 bytes, only 1 are left"):
            source.read_bytes(5)


@pytest.mark.parametrize("count", [1, 16_000, 16_384, 20_000, 32_766, 40_000, 2_500_000])
@pytest.mark.parametrize("skipped", [0, 1, 16_380])
def test_any_number_of_bytes_is_read_and_what_follows_stays(tmp_path, count, skipped, rng):
    data = rng.bytes(skipped + count + 3)
    (tmp_path / "f").write_bytes(data)
    for name in (f"{tmp_path}/f", f"cat {tmp_path}/f | cat |"):
        with open_bytes(name) as stream:
            source = KaldiInput(stream, "file")
            source.ahead(32_768)
            assert source.read_bytes(skipped) == data[:skipped]
            assert source.array("u1", count, "bytes").tobytes() == data[skipped:-3]
            assert source.offset == skipped + count
            assert source.read_bytes(3) == data[-3:]
            assert source.at_end()


def test_a_header_that_is_only_half_there_is_an_error(tmp_path):
    (tmp_path / "f").write_bytes(b"\0X")
    with pytest.raises(FormatError, match=r"only the .0 is there"), open_input(f"{tmp_path}/f"):
        pass


@pytest.mark.parametrize(
    ("method", "value", "message"),
    [
        ("token", "a b", "white space"),
        ("token", "", "empty"),
        ("token", "a\0b", "control characters"),
        ("int32", 2**31, "32 bits"),
        ("int_vector", [2**31], "32 bits"),
        ("int_vector", [2**70], "expected integers"),
        ("int_vector", [-(2**31) - 1], "2147483649 does not fit into 32 bits"),
        ("int_vector", np.array([2**63], np.uint64), "32 bits"),
        ("int_vector", np.array([0.5]), "expected integers"),
        ("int_vector", [[1, 2]], "one axis"),
    ],
)
def test_values_that_could_not_be_read_again_are_not_written(method, value, message):
    with pytest.raises(ValueError, match=message):
        written(True, (method, value))


def test_a_new_line_is_for_text_only():
    stream = io.BytesIO()
    KaldiOutput(stream, True).newline()
    KaldiOutput(stream, False).newline()
    assert stream.getvalue() == b"\n"


@pytest.mark.parametrize("binary", [True, False])
def test_vectors_and_matrices_are_read_and_written_among_tokens(binary):
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    data = written(binary, ("token", "<A>"), ("vector", x[0]), ("matrix", x), ("token", "</A>"))
    source = reader(data, binary)
    source.expect("<A>")
    assert np.array_equal(source.vector(), x[0])
    assert np.array_equal(source.matrix(), x)
    assert source.expect("</A>") == "</A>"

"""File names: files, offsets, gzip, pipes of both directions and their exit status."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys

import pytest

from nnet.formats.streams import create_bytes, is_plain_reader, open_bytes, split_offset


def content(name: str) -> bytes:
    with open_bytes(name) as stream:
        return stream.read()


@pytest.fixture
def data(tmp_path):
    (tmp_path / "f").write_bytes(b"hello")
    with gzip.open(tmp_path / "f.gz", "wb") as stream:
        stream.write(b"hello")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("{}/f", b"hello"),
        ("{}/f:2", b"llo"),
        ("{}/f.gz", b"hello"),
        ("gunzip -c {}/f.gz |", b"hello"),
        ("gzip -dc {}/f.gz|", b"hello"),
        ("zcat {}/f.gz|", b"hello"),
        ("cat {}/f|", b"hello"),
        ("cat {0}/f {0}/f | tr l L |", b"heLLoheLLo"),
        ("echo 'a b' |", b"a b\n"),
    ],
)
def test_every_form_of_a_name_is_read(data, name, expected):
    assert content(name.format(data)) == expected


def test_a_plain_file_that_ends_in_gz_is_read_as_it_is(tmp_path):
    (tmp_path / "f.gz").write_bytes(b"plain")
    assert content(f"{tmp_path}/f.gz") == b"plain"


def test_a_file_whose_name_ends_in_a_colon_and_zero_can_be_read(tmp_path):
    (tmp_path / "f:0").write_bytes(b"odd")
    assert content(f"{tmp_path}/f:0") == b"odd"


@pytest.mark.parametrize(
    "command", ["false |", "exit 3 |", "false | cat |", "cat /no/such/file | cat |", "echo x; exit 3 |"]
)
def test_a_failing_command_is_an_error_even_inside_a_pipeline(command):
    with pytest.raises(OSError, match="ended with status"):
        content(command)


@pytest.mark.parametrize("command", ["gunzip -c /no/such/file |", "cat /no/such/file|"])
def test_a_missing_file_of_a_plain_command_is_an_error(command):
    with pytest.raises(FileNotFoundError):
        content(command)


def test_a_failing_command_is_named_together_with_what_could_not_be_read():
    with pytest.raises(OSError, match=r"ended with status 3; reading it: too short"), open_bytes("exit 3 |"):
        raise ValueError("too short")


def test_an_error_of_ours_stays_when_the_command_is_sound():
    with pytest.raises(ValueError, match="ours"), open_bytes("yes |"):
        raise ValueError("ours")


def test_a_command_that_we_stop_early_is_no_error():
    with open_bytes("yes |") as stream:
        assert stream.read(2) == b"y\n"


@pytest.mark.parametrize("cut", [5, 15, -1, -5])
def test_damaged_gzip_data_is_an_oserror(data, cut):
    whole = (data / "f.gz").read_bytes()
    (data / "f.gz").write_bytes(whole[:cut])
    with pytest.raises(OSError, match="damaged gzip data"):
        content(f"{data}/f.gz")


def test_flipped_bits_in_gzip_data_are_an_oserror(data):
    whole = bytearray((data / "f.gz").read_bytes())
    whole[-6] ^= 255
    (data / "f.gz").write_bytes(whole)
    with pytest.raises(OSError, match="damaged gzip data"):
        content(f"{data}/f.gz")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("| cat", "a command to be read from ends with"),
        (" f", "starts or ends with a space"),
        ("ark:f", "is a table"),
        ("scp,p:f", "is a table"),
    ],
)
def test_names_that_cannot_be_read_are_refused(name, message):
    with pytest.raises(ValueError, match=message):
        content(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [("cat |", "a command to be written to starts with"), ("f:12", "offset"), ("ark,t:f", "is a table")],
)
def test_names_that_cannot_be_written_are_refused(name, message):
    with pytest.raises(ValueError, match=message), create_bytes(name):
        pass


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("cat f |", True),
        ("gunzip -c a/b.gz|", True),
        ("cat -n |", False),
        ("cat f; rm f |", False),
        ("cat $f |", False),
        ("cat f g |", False),
        ("cat f", False),
        ("cat `x` |", False),
    ],
)
def test_only_commands_that_read_one_file_need_no_shell(name, plain):
    assert is_plain_reader(name) is plain


def test_offsets_are_split_from_the_right():
    assert split_offset("a:b:12") == ("a:b", 12)
    assert split_offset("a:b") == ("a:b", 0)


def test_a_gzip_file_is_written_without_time_and_name(tmp_path):
    for name in ("a.gz", "b.gz"):
        with create_bytes(f"{tmp_path}/{name}") as stream:
            stream.write(b"hello")
    assert content(f"{tmp_path}/a.gz") == b"hello"
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_a_command_receives_what_is_written(tmp_path):
    with create_bytes(f"| tr l L > {tmp_path}/f") as stream:
        stream.write(b"hello")
    assert (tmp_path / "f").read_bytes() == b"heLLo"


@pytest.mark.parametrize("command", ["| exit 3", "| cat | false", "| head -c 1 > /dev/null; exit 4"])
def test_a_failing_command_that_is_written_to_is_an_error(command):
    with pytest.raises(OSError, match="ended with status"), create_bytes(command) as stream:
        stream.write(b"x" * 1_000_000)


def test_an_error_of_ours_while_writing_to_a_command_stays(tmp_path):
    with pytest.raises(ValueError, match="ours"), create_bytes("| cat > /dev/null"):
        raise ValueError("ours")


def test_a_file_is_not_touched_when_writing_fails(tmp_path):
    with pytest.raises(ValueError, match="ours"), create_bytes(f"{tmp_path}/f"):
        raise ValueError("ours")
    assert os.listdir(tmp_path) == []


def test_standard_input_and_output_are_the_name_dash():
    code = (
        "from nnet.formats.streams import *\n"
        "with open_bytes('-') as a, create_bytes('-') as b: b.write(a.read().upper())"
    )
    done = subprocess.run([sys.executable, "-c", code], input=b"abc", capture_output=True, check=True)
    assert done.stdout == b"ABC"

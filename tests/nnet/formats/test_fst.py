"""FST files: OpenFst's byte for byte, its other types, text as fstprint writes it, damaged files."""

import io
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnet.formats.basic import FormatError, KaldiInput, KaldiOutput
from nnet.formats.fst import read_fst, read_fst_file, write_compact_fst, write_fst, write_fst_file
from nnet.fst.arrays import Fst, same
from nnet.fst.properties import compute_properties

GOLDEN = Path(__file__).parents[2] / "golden" / "chain"
NAMES = ("den", "normalization", "phone_lm")
INF = float("inf")
SMALL = Fst.from_arcs(
    [(1, 2, 2, 0.5, 2), (1, 1, 1, 0.0, 0), (2, 3, 3, 1.25, 2), (2, 1, 1, 0.0, 0)], [0.0, INF, 2.5], 1
)


def written(fst, write=write_fst, binary=True) -> bytes:
    stream = io.BytesIO()
    write(KaldiOutput(stream, binary), fst)
    return stream.getvalue()


def parsed(data: bytes, binary=True) -> Fst:
    return read_fst(KaldiInput(io.BytesIO(data), "here", binary))


@pytest.mark.parametrize("name", NAMES)
def test_files_of_kaldi_come_back_byte_for_byte(name, tmp_path):
    path = GOLDEN / f"{name}.fst"
    write_fst_file(str(tmp_path / "x"), read_fst_file(str(path)))
    assert (tmp_path / "x").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_what_a_file_says_about_its_fst_is_what_we_compute(name):
    fst = read_fst_file(str(GOLDEN / f"{name}.fst"))
    assert fst.properties
    assert fst.properties & compute_properties(fst) == fst.properties


def test_text_is_as_fstprint_writes_it_with_the_start_first():
    assert written(SMALL, binary=False).decode() == (
        "\n1\t2\t2\t2\t0.5\n1\t0\t1\t1\n0\n2\t2\t3\t3\t1.25\n2\t0\t1\t1\n2\t2.5\n\n"
    )


@pytest.mark.parametrize("write", [write_fst, write_compact_fst])
def test_an_fst_comes_back_from_text(write):
    back = parsed(written(SMALL, write, binary=False), binary=False)
    assert same(back, SMALL)


def test_a_compact_fst_comes_back_with_its_properties():
    back = parsed(written(SMALL, write_compact_fst))
    assert same(back, SMALL)
    assert written(back, write_compact_fst) == written(SMALL, write_compact_fst)


def test_an_empty_fst_comes_back():
    empty = Fst.from_arcs([], [], -1)
    assert same(parsed(written(empty)), empty)
    assert same(parsed(written(empty, write_compact_fst)), empty)
    assert same(parsed(written(empty, binary=False), binary=False), empty)


def test_a_state_without_arcs_and_end_is_an_infinite_line():
    fst = Fst.from_arcs([(0, 1, 1, 0.0, 1)], [0.0, INF])
    assert written(fst, binary=False) == b"\n0\t1\t1\t1\n0\n1\tInfinity\n\n"
    assert same(parsed(written(fst, binary=False), binary=False), fst)


def test_a_transducer_is_no_acceptor():
    fst = Fst.from_arcs([(0, 1, 2, 0.0, 0)], [0.0])
    with pytest.raises(ValueError, match="cannot be written as an acceptor"):
        written(fst, write_compact_fst)


def openfst(program: str, *arguments: str, data: bytes = b"") -> bytes:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"needs OpenFst's {program}")
    return subprocess.run([path, *arguments], input=data, stdout=subprocess.PIPE, check=True).stdout


@pytest.mark.parametrize("kind", ["const", "compact_acceptor", "vector"])
@pytest.mark.parametrize("name", NAMES)
def test_other_types_of_openfst_hold_the_same_fst(kind, name, tmp_path):
    source, target = GOLDEN / f"{name}.fst", tmp_path / "x.fst"
    openfst("fstconvert", f"--fst_type={kind}", str(source), str(target))
    assert same(read_fst_file(str(target)), read_fst_file(str(source)))


def test_aligned_const_files_are_read(tmp_path):
    source, target = GOLDEN / "den.fst", tmp_path / "x.fst"
    openfst("fstconvert", "--fst_type=const", "--fst_align=true", str(source), str(target))
    assert same(read_fst_file(str(target)), read_fst_file(str(source)))


def test_openfst_compiles_text_to_our_bytes(tmp_path):
    fst = Fst.from_arcs([(0, 1, 2, 0.5, 1), (0, 2, 2, 0.0, 0), (1, 3, 0, 1.25, 1)], [0.0, 2.5])
    compiled = openfst("fstcompile", data=written(fst, binary=False)[1:-1])
    assert same(parsed(compiled), fst)
    assert written(parsed(compiled)) == compiled


@pytest.mark.parametrize("cut", [2, 10, 30, 50, 69, 80, 200])
@pytest.mark.parametrize("write", [write_fst, write_compact_fst])
def test_a_truncated_file_is_refused_by_name(cut, write):
    data = written(replace(SMALL, finals=SMALL.finals), write)
    if cut < len(data):
        with pytest.raises(FormatError, match="here, byte"):
            parsed(data[:cut])


@pytest.mark.parametrize(
    "old, new, message",
    [
        (b"\x08\0\0\0standard", b"\x03\0\0\0log", "type log, where standard"),
        (b"\x06\0\0\0vector", b"\x0b\0\0\0const_16bit", "type const_16bit; it can be read as vector"),
        (b"\xd6\xfd\xb2\x7e", b"0\t1\t", "no binary FST"),
        (b"\x06\0\0\0vector", b"\xff\0\0\0vector", "one of 255 bytes"),
        (b"standard\2\0\0\0\0", b"standard\2\0\0\0\1", "symbol tables"),
        (b"standard\2\0\0\0", b"standard\7\0\0\0", "version 7"),
        (b"standard\2\0\0\0", b"standard\1\0\0\0", "vector FST of version 1"),
    ],
)
def test_foreign_files_are_refused_by_name(old, new, message):
    data = written(SMALL)
    assert old in data
    with pytest.raises(FormatError, match=message):
        parsed(data.replace(old, new, 1))


def header(kind: bytes, start: int, states: int, arcs: int) -> bytes:
    names = b"".join(struct.pack("<i", len(n)) + n for n in (kind, b"standard"))
    return b"\xd6\xfd\xb2\x7e" + names + struct.pack("<iiQqqq", 2, 0, 3, start, states, arcs)


@pytest.mark.parametrize(
    "data, message",
    [
        (header(b"vector", 3, 2, 0), "start state 3 and 2 states"),
        (header(b"vector", 0, 2**40, 0), "needs"),
        (header(b"vector", 0, 1, 0) + struct.pack("<fq", 0, -1), "state 0 has -1 arcs"),
        (header(b"vector", 0, 1, 0) + struct.pack("<fqiifi", 0, 1, 1, 1, 0, 7), "leads to state 7"),
        (header(b"const", 0, 1, -1), "const FST with -1 arcs"),
        (
            header(b"const", 0, 1, 1) + struct.pack("<fIIIIiifi", 0, 5, 1, 0, 0, 1, 1, 0, 0),
            "order of its states",
        ),
        (header(b"compact_acceptor", 0, 1, 1) + struct.pack("<II", 1, 0), "order of its states"),
        (
            header(b"compact_acceptor", 0, 1, 1) + struct.pack("<IIifiifi", 0, 2, 1, 0, 0, -1, 0, -1),
            "not the first entry",
        ),
    ],
)
def test_damaged_files_are_refused_by_name(data, message):
    with pytest.raises(FormatError, match=message):
        parsed(data)


@pytest.mark.parametrize(
    "text, message",
    [
        (b"0 1 1\n\n", "starts with a line break"),
        (b"\n0 1 1\n\n", "expected an arc"),
        (b"\n0 1 1 one\n\n", "expected an arc"),
        (b"\n0 1 1 1 1 1\n\n", "expected an arc"),
        (b"\n0 900000000 1 1\n\n", "names state 900000000"),
    ],
)
def test_bad_text_is_refused_by_name(text, message):
    with pytest.raises(FormatError, match=message):
        parsed(text, binary=False)


def test_a_kind_of_fst_that_the_place_does_not_allow_is_refused():
    src = KaldiInput(io.BytesIO(written(SMALL)), "here")
    with pytest.raises(FormatError, match="type vector; it can be read as compact_acceptor"):
        read_fst(src, ("compact_acceptor",))


def test_numbers_come_back_from_text_as_seven_digits():
    weights = np.float32([1 / 3, 1e-7, 123456.78])
    fst = Fst.from_columns((0, 0, 0), (1, 2, 3), (1, 2, 3), weights, (0, 0, 0), [INF])
    back = parsed(written(fst, binary=False), binary=False)
    assert np.allclose(back.weights, weights, rtol=1e-6)

"""Lattices: Kaldi's bytes, both forms, both precisions, text; damaged and foreign files."""

from __future__ import annotations

import gzip
import io
import struct
from contextlib import suppress

import pytest

from nnet.formats.basic import FormatError, KaldiInput, KaldiOutput
from nnet.formats.fst import write_fst
from nnet.formats.lattice import COMPACT_LATTICE, LATTICE, read_lattice, write_lattice
from nnet.formats.tables import TableWriter, read_table
from nnet.fst.arrays import Fst
from nnet.fst.lattice import ONE, ZERO, Lattice, Weight, connect, scale, sort_topologically, state_times
from nnet.fst.lattice_forms import compacted, expanded
from nnet.programs import lattice_copy

WORDS = Lattice(
    0,
    [[(5, 5, Weight(1.5, 20.25, (1, 2, 3)), 1), (6, 6, Weight(0.5, 3.0), 2)], [(7, 7, ONE, 2)], []],
    [ZERO, Weight(0.25, 0.5, (9, 8)), ONE],
)
TEXT = "\n0\t1\t5\t1.5,20.25,1_2_3\n0\t2\t6\t0.5,3,\n1\t2\t7\n1\t0.25,0.5,9_8\n2\n\n"
EXPANDED_TEXT = (
    "\n0\t3\t1\t5\t1.5,20.25\n0\t2\t0\t6\t0.5,3\n1\t5\t9\t0\t0.25,0.5\n1\t2\t0\t7\n2\n"
    "3\t4\t2\t0\n4\t1\t3\t0\n5\t6\t8\t0\n6\n\n"
)


def content(x: Lattice):
    return x.start, x.arcs, x.finals, x.compact


def written(x: Lattice, binary=True) -> bytes:
    stream = io.BytesIO()
    write_lattice(KaldiOutput(stream, binary), x)
    return stream.getvalue()


def read(data: bytes) -> Lattice:
    return read_lattice(KaldiInput(io.BytesIO(data), "file", False))


def test_kaldis_lattices_are_written_as_they_were(shared, tmp_path):
    for job in (1, 5):
        name = shared / "fsdd" / "chain" / "lats" / f"lat.{job}.gz"
        lattices = list(read_table(f"ark:{name}", COMPACT_LATTICE))
        with TableWriter(f"ark:{tmp_path / 'copy'}", COMPACT_LATTICE) as out:
            for key, lattice in lattices[:100]:
                out.write(key, lattice)
        data = (tmp_path / "copy").read_bytes()
        assert gzip.decompress(name.read_bytes()).startswith(data)
        assert len(lattices) > 100


@pytest.mark.parametrize("options", ["", "--write-compact=false"])
@pytest.mark.parametrize("form", ["ark", "ark,t"])
def test_other_forms_are_kaldis(options, form, shared, kaldi, tmp_path):
    name = shared / "fsdd" / "chain" / "lats" / "lat.1.gz"
    kaldi("lattice-copy", *options.split(), f"ark:gunzip -c {name} |", f"{form}:{tmp_path / 'theirs'}")
    assert lattice_copy.main([*options.split(), f"ark:{name}", f"{form}:{tmp_path / 'ours'}"]) == 0
    kind = LATTICE if options else COMPACT_LATTICE
    ours, theirs = (list(read_table(f"ark:{tmp_path / n}", kind)) for n in ("ours", "theirs"))
    assert [(k, content(x)) for k, x in ours] == [(k, content(x)) for k, x in theirs]
    if form == "ark,t":
        assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    kaldi("lattice-copy", f"ark:{tmp_path / 'ours'}", f"ark,t:{tmp_path / 'theirs'}")
    assert lattice_copy.main([f"ark:{tmp_path / 'ours'}", f"ark,t:{tmp_path / 'ours2'}"]) == 0
    assert (tmp_path / "ours2").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_text_is_read_and_written():
    assert written(WORDS, False).decode() == TEXT
    assert content(read(TEXT.encode())) == content(WORDS)
    assert written(expanded(WORDS), False).decode() == EXPANDED_TEXT
    assert content(read(EXPANDED_TEXT.encode())) == content(expanded(WORDS))
    assert read(b"\n0 1,2\n\n").compact is False
    assert read(b"\n\n").start == -1
    assert written(Lattice(-1, [], []), False) == b"\n\n"


def test_both_forms_are_read_back():
    for x in (WORDS, expanded(WORDS), Lattice(-1, [], [])):
        assert content(read(written(x))) == content(x)
    chain = Lattice(0, [[(4, 4, Weight(1.0, 2.0, (1, 2)), 1)], []], [ZERO, ONE])
    assert content(compacted(expanded(chain))) == content(chain)
    assert compacted(chain) is chain
    assert expanded(expanded(chain)).arcs == expanded(chain).arcs


def test_double_precision_is_read():
    data = written(expanded(Lattice(0, [[(4, 4, Weight(1.5, 2.5, (1,)), 1)], []], [ZERO, ONE])))
    wide = data.replace(b"lattice4", b"lattice8")
    head = wide.index(b"lattice8") + 8 + struct.calcsize("<iiQqqq")
    inf = struct.pack("<dd", float("inf"), float("inf"))
    states = inf + struct.pack("<q", 1) + struct.pack("<iiddi", 1, 4, 1.5, 2.5, 1) + bytes(16 + 8)
    assert read(wide[:head] + states).arcs == [[(1, 4, Weight(1.5, 2.5), 1)], []]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\0Brubbish", "expected a lattice"),
        (b"", "expected a lattice"),
        (b"\nfoo bar\n\n", "expected an arc or a final state"),
        (b"\n0 1 2 3 4 5 6\n\n", "expected an arc or a final state"),
        (b"\n0 1 5 1,x,3\n\n", "expected an arc or a final state"),
        (b"\n0 1 5 nan,1,3\n\n", "expected an arc or a final state"),
        (b"\n0 1 5 Infinity,Infinity,\n\n", "expected an arc or a final state"),
        (b"\n0 900000000 5 1,1,3\n\n", "expected an arc or a final state"),
        (b" 0 1 5 1,1,3\n\n", "starts with a line break"),
    ],
)
def test_what_is_no_lattice_is_refused(data, message):
    with pytest.raises(FormatError, match=message):
        read(data)


def test_an_fst_without_two_costs_is_refused():
    stream = io.BytesIO()
    write_fst(KaldiOutput(stream, True), Fst.linear([1]))
    with pytest.raises(FormatError, match="of the type standard"):
        read(stream.getvalue())


def test_damage_is_found():
    data = written(WORDS)
    for end in range(len(data)):
        with pytest.raises(FormatError):
            read(data[:end])
    for k in range(len(data)):
        for byte in (0, 127, 255):
            with suppress(FormatError):
                read(data[:k] + bytes([byte]) + data[k + 1 :])


def test_lattices_are_scaled_sorted_and_connected():
    assert scale(WORDS, 2.0, 0.1).arcs[0][0][2] == Weight(3.0, pytest.approx(2.025), (1, 2, 3))
    assert scale(WORDS).finals == WORDS.finals
    mixed = Lattice(2, [[], [(1, 1, ONE, 0)], [(2, 2, ONE, 1)], [(3, 3, ONE, 0)]], [ONE, ZERO, ZERO, ZERO])
    ordered = sort_topologically(connect(mixed))
    assert (ordered.start, [row[0][0] for row in ordered.arcs[:2]]) == (0, [2, 1])
    with pytest.raises(ValueError, match="cycle"):
        sort_topologically(Lattice(0, [[(1, 1, ONE, 0)]], [ONE]))


def test_states_have_times():
    final = Lattice(0, [[(5, 5, Weight(0, 0, (1, 2, 3)), 1)], []], [ZERO, Weight(0, 0, (9,))])
    assert state_times(final) == ([0, 3], 4)
    with pytest.raises(ValueError, match="reached at frames"):
        state_times(WORDS)
    with pytest.raises(ValueError, match="not sorted"):
        state_times(Lattice(0, [[(1, 1, ONE, 0)]], [ONE]))
    with pytest.raises(ValueError, match="starts with state 1"):
        state_times(Lattice(1, [[], []], [ONE, ONE]))
    with pytest.raises(ValueError, match="leads to state 7"):
        Lattice(0, [[(1, 1, ONE, 7)]], [ONE])
    with pytest.raises(ValueError, match="2 finals"):
        Lattice(0, [[]], [ONE, ONE])


def test_some_lattices_are_copied(tmp_path, capsys):
    with TableWriter(f"ark:{tmp_path / 'all'}", COMPACT_LATTICE) as out:
        for key in "abc":
            out.write(key, WORDS)
    (tmp_path / "list").write_text("b 1\nz\n")
    name = f"ark:{tmp_path / 'some'}"
    for flag, keys in (("include", ["b"]), ("exclude", ["a", "c"])):
        assert lattice_copy.main([f"--{flag}={tmp_path / 'list'}", f"ark:{tmp_path / 'all'}", name]) == 0
        assert [k for k, _ in read_table(name, COMPACT_LATTICE)] == keys
    (tmp_path / "list").write_text("z\n")
    both = [f"--include={tmp_path / 'list'}", f"ark:{tmp_path / 'all'}", name]
    assert lattice_copy.main(both) == 1
    assert lattice_copy.main(["--ignore-missing=true", *both]) == 0
    assert lattice_copy.main([f"--exclude={tmp_path / 'list'}", *both]) == 1
    assert "only one of --include and --exclude" in capsys.readouterr().err
    (tmp_path / "list").write_text("z\n\n")
    assert lattice_copy.main(both) == 1
    assert "without an utterance" in capsys.readouterr().err

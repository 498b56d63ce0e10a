"""Phone-aligned lattices: Kaldi's, and what is wrong with others."""

import pytest

from nnet.chain.align_phones import AlignOptions, Meaning, align_phones
from nnet.formats.lattice import COMPACT_LATTICE
from nnet.formats.tables import TableWriter, read_table
from nnet.formats.tree import monophone_tree
from nnet.fst.lattice import ONE, ZERO, Lattice, Weight
from nnet.programs import lattice_align_phones
from tests.nnet.chain.graphs import CHAIN, PHONES, model_for

MODEL = model_for(CHAIN, monophone_tree({p: 2 for p in PHONES}))
MEANING = Meaning.of(MODEL)
LOOP, FORWARD = (
    {
        p: next(i for i in range(1, MODEL.num_ids + 1) if MEANING.loop[i] == want and MEANING.phone[i] == p)
        for p in PHONES
    }
    for want in (True, False)
)


def ids(*phones: int) -> tuple[int, ...]:
    """Two frames of each phone."""
    return tuple(i for p in phones for i in (FORWARD[p], LOOP[p]))


@pytest.mark.parametrize(
    "options",
    [
        "--replace-output-symbols=true",
        "",
        "--remove-epsilon=false",
        "--reorder=false",
        "--output-error-lats=false",
    ],
)
def test_lattices_of_digits_are_kaldis(options, shared, kaldi, tmp_path):
    folder = shared / "fsdd" / "chain" / "lats"
    lattices = f"ark:gunzip -c {folder / 'lat.2.gz'} |"
    arguments = [*options.split(), str(folder / "final.mdl"), lattices]
    theirs = kaldi("lattice-align-phones", *arguments, f"ark,t:{tmp_path / 'theirs'}", check=False)
    status = lattice_align_phones.main([*arguments, f"ark,t:{tmp_path / 'ours'}"])
    assert bool(status) == bool(theirs.returncode)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_arcs_become_phones_wherever_words_end():
    words = Lattice(
        0,
        [
            [(50, 50, Weight(1.0, 2.0, ids(1)[:1]), 1)],
            [(51, 51, Weight(0.5, 0.25, (*ids(1)[1:], *ids(2, 3))), 2)],
            [],
        ],
        [ZERO, ZERO, Weight(0.0, 1.0)],
    )
    phones, good = align_phones(words, MEANING, AlignOptions(replace_output_symbols=True))
    assert good
    assert [row[0][0] for row in phones.arcs[:3]] == [1, 2, 3]
    assert [row[0][2].ids for row in phones.arcs[:3]] == [ids(p) for p in (1, 2, 3)]
    total = sum(w.graph + w.acoustic for w in phones.weights() if w != ZERO)
    assert total == pytest.approx(4.75)
    kept, _ = align_phones(words, MEANING, AlignOptions())
    assert [row[0][0] for row in kept.arcs[:2]] == [50, 51]
    assert kept.finals[2].ids == ids(3)


def test_words_without_frames_keep_arcs_of_their_own():
    words = Lattice(
        0, [[(5, 5, ONE, 1)], [(6, 6, ONE, 2)], [(7, 7, Weight(0, 0, ids(2)), 3)], []], [ZERO] * 3 + [ONE]
    )
    kept, good = align_phones(words, MEANING, AlignOptions())
    assert good
    assert sorted(row[0][0] for row in kept.arcs if row) == [5, 6, 7]


def test_a_cut_off_phone_and_a_wrong_one_are_told():
    for path, message in (
        ((LOOP[1],), "last states"),
        ((LOOP[1], *ids(2), *ids(3)), "before its last state"),
    ):
        lines = []
        lattice = Lattice(0, [[(5, 5, Weight(0, 0, path), 1)], []], [ZERO, ONE])
        _, good = align_phones(lattice, MEANING, AlignOptions(True), lines.append)
        assert not good
        assert message in lines[0]


def test_an_empty_lattice_and_one_of_another_model_are_told(tmp_path, capsys):
    assert not align_phones(Lattice(-1, [], []), MEANING, AlignOptions())[1]
    other = Lattice(0, [[(5, 5, Weight(0, 0, (99,)), 1)], []], [ZERO, ONE])
    with pytest.raises(ValueError, match=r"99 in a lattice is no transition-id .* 1 to 8"):
        align_phones(other, MEANING, AlignOptions())


def test_lattices_without_a_path_are_counted(shared, tmp_path, capsys):
    with TableWriter(f"ark:{tmp_path / 'l'}", COMPACT_LATTICE) as out:
        out.write("none", Lattice(-1, [], []))
        out.write("dead", Lattice(0, [[]], [ZERO]))
    model = str(shared / "fsdd" / "chain" / "lats" / "final.mdl")
    assert lattice_align_phones.main([model, f"ark:{tmp_path / 'l'}", f"ark:{tmp_path / 'o'}"]) == 1
    assert "aligned 0 lattices; 2 had errors" in capsys.readouterr().err
    assert list(read_table(f"ark:{tmp_path / 'o'}", COMPACT_LATTICE)) == []

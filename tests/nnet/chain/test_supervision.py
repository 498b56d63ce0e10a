"""Supervision of chain training: Kaldi's bytes, the paths it has, parts of it, and what is refused."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from nnet.chain.den_graph import make_den_fst
from nnet.chain.normalization import normalization_fst
from nnet.chain.supervision import (
    SupervisionMaker,
    SupervisionOptions,
    proto_from_alignment,
    proto_from_lattice,
)
from nnet.chain.supervision_parts import SupervisionSplitter, add_normalization, fst_state_times
from nnet.formats.chain_examples import SUPERVISION
from nnet.formats.kinds import INT_PAIR_VECTOR
from nnet.formats.lattice import COMPACT_LATTICE
from nnet.formats.tables import TableWriter, read_table
from nnet.formats.tree import monophone_tree
from nnet.fst.arrays import Fst
from nnet.fst.lattice import ONE, ZERO, Lattice, Weight
from nnet.programs import chain_get_supervision, lattice_align_phones
from nnet.supervision import Supervision
from tests.nnet.chain.graphs import CHAIN, PHONES, model_for, phone_lm
from tests.nnet.fst.paths import INF, best

TREE = monophone_tree({p: 2 for p in PHONES})
MODEL = model_for(CHAIN, TREE)
EXACT = SupervisionOptions(left_tolerance=0, right_tolerance=0)


def frames(*phones: int) -> list[int]:
    """Labels of phones that last two frames each."""
    return [TREE.pdf((p,), c) + 1 for p in phones for c in (0, 1)]


def of(phones, durations, options=EXACT) -> Supervision | None:
    return SupervisionMaker(TREE, MODEL).make(proto_from_alignment(phones, durations, options))


@pytest.mark.parametrize(
    "options",
    [
        "",
        "--left-tolerance=2 --right-tolerance=1",
        "--lm-scale=0.5",
        "--convert-to-pdfs=false",
        "--frame-subsampling-factor=1",
    ],
)
def test_supervision_of_digits_is_kaldis_byte_for_byte(options, shared, kaldi, tmp_path):
    folder = shared / "fsdd" / "chain"
    (tmp_path / "some").write_bytes(gzip.decompress((folder / "lats" / "lat.4.gz").read_bytes())[:9000])
    lattices = []
    for key, lattice in read_table(f"ark,p:{tmp_path / 'some'}", COMPACT_LATTICE):
        lattices.append((key, lattice))
    with TableWriter(f"ark:{tmp_path / 'lats'}", COMPACT_LATTICE) as out:
        for key, lattice in lattices:
            out.write(key, lattice)
    model = str(folder / "lats" / "final.mdl")
    phones = f"ark:{tmp_path / 'phones'}"
    assert (
        lattice_align_phones.main(
            ["--replace-output-symbols=true", model, f"ark:{tmp_path / 'lats'}", phones]
        )
        == 0
    )
    arguments = ["--lattice-input=true", "--frame-subsampling-factor=3", *options.split()]
    arguments += [str(folder / "tree/tree"), str(folder / "0.trans_mdl"), phones]
    kaldi("chain-get-supervision", *arguments, f"ark:{tmp_path / 'theirs'}")
    assert chain_get_supervision.main([*arguments, f"ark:{tmp_path / 'ours'}"]) == 0
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_supervision_of_an_alignment_is_kaldis_byte_for_byte(shared, kaldi, tmp_path, rng):
    folder = shared / "fsdd" / "chain"
    table = f"ark,t:{tmp_path / 'phones'}"
    with TableWriter(table, INT_PAIR_VECTOR) as out:
        for k in range(20):
            count = int(rng.integers(1, 5))
            out.write(f"u{k}", np.stack([rng.integers(1, 20, count), rng.integers(1, 9, count)], axis=1))
    arguments = ["--frame-subsampling-factor=3", str(folder / "tree/tree"), str(folder / "0.trans_mdl")]
    theirs = kaldi("chain-get-supervision", *arguments, table, f"ark:{tmp_path / 'theirs'}", check=False)
    status = chain_get_supervision.main([*arguments, table, f"ark:{tmp_path / 'ours'}"])
    assert status == theirs.returncode
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_without_tolerance_there_is_one_path():
    s = of([2, 3], [2, 2])
    assert best(s.fsts[0], frames(2, 3)) == 0
    assert (s.fsts[0].num_arcs, s.frames_per_sequence, s.label_dim) == (4, 4, 8)


def test_phones_may_move_within_tolerance():
    options = SupervisionOptions(left_tolerance=1, right_tolerance=0)
    s = of([2, 3], [2, 2], options)
    first, stay, other, later = frames(2, 3)
    assert best(s.fsts[0], [first, stay, other, later]) == 0
    assert best(s.fsts[0], [first, other, later, later]) == 0
    assert best(s.fsts[0], [first, stay, stay, other]) == INF


def test_frames_are_thinned_out():
    s = of(
        [2, 3], [4, 5], SupervisionOptions(left_tolerance=1, right_tolerance=1, frame_subsampling_factor=3)
    )
    assert s.frames_per_sequence == 3
    assert best(s.fsts[0], [frames(2)[0], frames(3)[0], frames(3)[1]]) == 0


def test_too_many_phones_for_the_frames_give_none():
    assert of([1, 2, 3], [1, 1, 1], SupervisionOptions(frame_subsampling_factor=3)) is None


def test_a_lattice_has_its_paths_and_their_costs():
    lattice = Lattice(
        0,
        [[(2, 2, Weight(1.0, 5.0, (1, 1)), 1), (3, 3, Weight(2.0, 1.0, (1, 1)), 1)],
         [(4, 4, Weight(0.5, 0.0, (1, 1)), 2)], []],
        [ZERO, ZERO, ONE],
    )  # fmt: skip
    options = SupervisionOptions(left_tolerance=0, right_tolerance=0, lm_scale=0.5)
    s = SupervisionMaker(TREE, MODEL).make(proto_from_lattice(lattice, options))
    costs = [best(s.fsts[0], frames(p, 4)) for p in (2, 3, 1)]
    assert costs == [pytest.approx(0.0), pytest.approx(0.5), INF]


@pytest.mark.parametrize(
    ("arcs", "finals", "message"),
    [
        ([[(0, 0, Weight(0, 0, (1,)), 1)], []], [ZERO, ONE], "epsilon"),
        ([[(1, 1, Weight(0, 0, (1,)), 1)], []], [ZERO, ZERO], "no path"),
        ([[(1, 1, Weight(0, 0, (1,)), 1)], []], [ONE, ONE], "ends at frame 0"),
        ([[(1, 1, Weight(0, 0, (1,)), 1)], []], [ZERO, Weight(0, 0, (1,))], "ends at frame 1"),
    ],
)
def test_a_lattice_that_is_not_phone_aligned_is_refused(arcs, finals, message):
    with pytest.raises(ValueError, match=message):
        proto_from_lattice(Lattice(0, arcs, finals), SupervisionOptions())


@pytest.mark.parametrize(
    ("phones", "durations", "message"),
    [
        ([], [], "0 phones"),
        ([1], [1, 2], "2 durations"),
        ([0], [1], "not positive"),
        ([1], [0], "not positive"),
    ],
)
def test_an_alignment_without_sense_is_refused(phones, durations, message):
    with pytest.raises(ValueError, match=message):
        proto_from_alignment(phones, durations, EXACT)


@pytest.mark.parametrize(
    "options",
    [{"left_tolerance": -1}, {"frame_subsampling_factor": 0}, {"lm_scale": 1.0},
     {"left_tolerance": 0, "right_tolerance": 1, "frame_subsampling_factor": 3}],
)  # fmt: skip
def test_options_without_sense_are_refused(options):
    with pytest.raises(ValueError, match=r"no sense|too small|lm-scale"):
        SupervisionOptions(**options)


def test_a_part_has_the_paths_of_its_frames():
    s = of([2, 3, 4], [2, 2, 2])
    part = SupervisionSplitter(s).part(1, 4)
    assert part.frames_per_sequence == 4
    assert best(part.fsts[0], frames(2, 3, 4)[1:5]) == 0
    assert best(part.fsts[0], frames(2, 3, 4)[:4]) == INF
    for first, count in ((-1, 2), (5, 2), (0, 0)):
        with pytest.raises(ValueError, match="of supervision that has 6"):
            SupervisionSplitter(s).part(first, count)


def test_a_part_gets_the_costs_of_the_denominator(rng):
    """Summed over nothing: the cost of each path is the normalization FST's best one."""
    den = make_den_fst(TREE, MODEL, phone_lm(rng, 200))
    normal = normalization_fst(den)
    phones = next(
        [a, b, c] for a in PHONES for b in PHONES for c in PHONES
        if best(normal, frames(a, b, c)[1:5]) < INF
    )  # fmt: skip
    s = of(phones, [2, 2, 2], SupervisionOptions(left_tolerance=1, right_tolerance=1))
    ready = add_normalization(normal, SupervisionSplitter(s).part(1, 4))
    labels = frames(*phones)[1:5]
    assert best(ready.fsts[0], labels) == pytest.approx(best(normal, labels), abs=1e-4)
    assert fst_state_times(ready.fsts[0], 4)[0] == 0


def test_what_the_denominator_cannot_say_gives_none():
    normal = Fst.from_arcs([(0, 1, 1, 0.0, 0)], [0.0])
    s = of([2], [2])
    assert add_normalization(normal, s) is None
    whole = Supervision(1.0, 1, 2, 8, True, s.fsts)
    assert add_normalization(normal, whole) is None
    free = Fst.from_arcs([(0, x, x, 0.5, 0) for x in range(1, 9)], [0.0])
    assert best(add_normalization(free, whole).fsts[0], frames(2)) == pytest.approx(1.0)


def test_damaged_supervision_is_refused():
    with pytest.raises(ValueError, match="one utterance"):
        SupervisionSplitter(Supervision(1.0, 1, 2, 8, True, (Fst.linear([1, 1]),)))
    for fst, message in (
        (Fst.linear([1]), "paths of"),
        (Fst.from_arcs([(0, 0, 0, 0.0, 1)], [INF, 0.0]), "epsilons"),
        (
            Fst.from_arcs([(0, 1, 1, 0.0, 1), (0, 1, 1, 0.0, 2), (1, 1, 1, 0.0, 2)], [INF, INF, 0.0]),
            "several",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            SupervisionSplitter(Supervision(1.0, 1, 2, 8, False, (fst,)))


def test_utterances_that_fail_are_counted(shared, tmp_path, capsys):
    folder = shared / "fsdd" / "chain"
    with TableWriter(f"ark:{tmp_path / 'l'}", COMPACT_LATTICE) as out:
        out.write("none", Lattice(-1, [], []))
    with TableWriter(f"ark:{tmp_path / 'p'}", INT_PAIR_VECTOR) as out:
        out.write("long", [[k, 1] for k in range(1, 10)])
        out.write("fine", [[2, 9]])
        out.write("fine2", [[2, 9]])
    places = [str(folder / "tree/tree"), str(folder / "0.trans_mdl")]
    assert (
        chain_get_supervision.main(
            ["--lattice-input=true", *places, f"ark:{tmp_path / 'l'}", f"ark:{tmp_path / 's'}"]
        )
        == 1
    )
    assert "for 0 utterances, errors on 1" in capsys.readouterr().err
    choice = ["--frame-subsampling-factor=3", *places, f"ark:{tmp_path / 'p'}", f"ark:{tmp_path / 's'}"]
    assert chain_get_supervision.main(choice) == 0
    assert "too many phones for too few frames" in capsys.readouterr().err
    assert [k for k, _ in read_table(f"ark:{tmp_path / 's'}", SUPERVISION)] == ["fine", "fine2"]

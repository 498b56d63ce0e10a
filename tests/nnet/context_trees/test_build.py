"""Trees grown from statistics: what they gain, what they may ask, and that they are Kaldi's."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nnet.context_trees.alignments import pdf_classes, split_to_phones
from nnet.context_trees.build import BuildOptions, Root, build_tree, leaves_of
from nnet.context_trees.questions import automatic_questions, questions_for
from nnet.context_trees.splitting import best_question
from nnet.context_trees.statistics import Accumulator, TreeStatistics, objective
from nnet.formats.basic import open_output
from nnet.formats.kinds import INT_VECTOR, MATRIX
from nnet.formats.tables import TableWriter
from nnet.formats.topology import write_topology
from nnet.formats.transitions import write_transitions
from nnet.formats.tree import PDF_CLASS, ContextTree, read_tree, write_tree
from tests.nnet.context_trees.toy import CHAIN, PHONES, TWO_STATES, classes_of, monophones, utterance

SETS = [(p,) for p in PHONES]
ROOTS = [Root((1,), shared=False, split=False), *(Root((p,)) for p in PHONES[1:])]
MODEL = monophones(TWO_STATES)
CLASSES = classes_of(MODEL.topology)


def statistics(rng: np.random.Generator, width: int = 2, central: int = 1, free: tuple[int, ...] = (1,)):
    found = Accumulator(width, central, free)
    for _ in range(30):
        ids, x = utterance(MODEL, rng)
        found.add(split_to_phones(MODEL, ids), pdf_classes(MODEL, ids), x)
    return found.statistics()


def gain(tree: ContextTree, stats: TreeStatistics) -> float:
    leaf = leaves_of(tree.root, stats)
    return sum(float(stats.objective(leaf == i)) for i in set(leaf.tolist()))


def test_statistics_are_those_of_the_frames(rng: np.random.Generator) -> None:
    ids, x = utterance(MODEL, rng)
    found = Accumulator(1, 0)
    found.add(split_to_phones(MODEL, ids), pdf_classes(MODEL, ids), x)
    stats = found.statistics()
    assert stats.counts.sum() == len(x)
    np.testing.assert_allclose(stats.sums.sum(axis=0), x.astype(np.float64).sum(axis=0), rtol=1e-12)
    density = -0.5 * (np.log(2 * np.pi * x.var(0)) + (x - x.mean(0)) ** 2 / x.var(0)).sum()
    everything = np.ones(len(stats.counts), bool)
    assert float(stats.objective(everything)) == pytest.approx(float(density), rel=1e-5)


def test_variances_are_floored() -> None:
    assert objective(0.0, np.zeros(1), np.zeros(1)) == 0
    assert objective(2.0, np.zeros(1), np.zeros(1)) == pytest.approx(-np.log(2 * np.pi * 0.01))


def test_features_that_do_not_fit_are_refused(rng: np.random.Generator) -> None:
    ids, x = utterance(MODEL, rng)
    found = Accumulator(1, 0)
    with pytest.raises(ValueError, match="frames of features"):
        found.add(split_to_phones(MODEL, ids), pdf_classes(MODEL, ids), x[1:])
    with pytest.raises(ValueError, match="nothing to grow a tree from"):
        found.statistics()
    found.add(split_to_phones(MODEL, ids), pdf_classes(MODEL, ids), x * np.float32(np.nan))
    with pytest.raises(ValueError, match="not finite"):
        found.statistics()
    with pytest.raises(ValueError, match="not inside a window of 2 phones"):
        Accumulator(2, 2)


def test_the_first_question_gains_most(rng: np.random.Generator) -> None:
    stats = statistics(rng)
    questions = questions_for(SETS, 2, 2)
    events = np.flatnonzero(stats.phones[:, 1] == 3)
    best = best_question(stats, questions, events)
    whole = float(stats.objective(events))
    gains = []
    for key, sets in questions.items():
        for values in sets:
            inside = np.isin(stats.values(key)[events], values)
            if inside.any() and not inside.all():
                parts = [float(stats.objective(events[m])) for m in (inside, ~inside)]
                gains.append(sum(parts) - whole)
    assert float(best.gain) == pytest.approx(max(gains), rel=1e-4)


def test_more_leaves_gain_more_and_rounding_makes_them_a_multiple_of_8(rng: np.random.Generator) -> None:
    stats = statistics(rng)
    values, sizes = [], []
    for leaves in (5, 12, 20):
        options = BuildOptions(max_leaves=leaves, threshold=1e-3, cluster_threshold=0, round_num_leaves=False)
        tree = build_tree(stats, questions_for(SETS, 2, 2), ROOTS, CLASSES, options)
        values.append(gain(tree, stats))
        sizes.append(tree.num_pdfs)
    assert values == sorted(values)
    assert sizes == [5, 12, 20]
    options = BuildOptions(max_leaves=20, threshold=1e-3, cluster_threshold=0)
    assert build_tree(stats, questions_for(SETS, 2, 2), ROOTS, CLASSES, options).num_pdfs == 16


def test_the_context_of_context_independent_phones_is_not_asked_for(rng: np.random.Generator) -> None:
    options = BuildOptions(max_leaves=20, threshold=1e-3)
    tree = build_tree(statistics(rng), questions_for(SETS, 2, 2), ROOTS, CLASSES, options)
    assert len({tree.pdf((left, 1), 0) for left in (0, *PHONES)}) == 1
    assert len({tree.pdf((left, 3), 0) for left in (0, *PHONES)}) > 1


def test_merging_again_loses_no_more_than_was_allowed(rng: np.random.Generator) -> None:
    stats = statistics(rng)
    questions = questions_for(SETS, 2, 2)
    plain, merged = (
        build_tree(stats, questions, ROOTS, CLASSES, BuildOptions(0, 2.0, threshold, False))
        for threshold in (0.0, 30.0)
    )
    assert merged.num_pdfs < plain.num_pdfs
    lost = gain(plain, stats) - gain(merged, stats)
    assert 0 < lost <= 30.0 * (plain.num_pdfs - merged.num_pdfs)


def test_a_phone_without_a_root_is_named(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="no root of the tree is for pdf class 0 of the phones"):
        build_tree(statistics(rng), questions_for(SETS, 2, 2), ROOTS[:-1], CLASSES)


def test_a_tree_needs_an_end_to_its_growth() -> None:
    with pytest.raises(ValueError, match="largest number of leaves"):
        BuildOptions(threshold=0)


def test_questions_separate_phones_that_sound_different(rng: np.random.Generator) -> None:
    found = automatic_questions(statistics(rng), SETS, [1], rng)
    assert found[0] == tuple(PHONES)
    assert set(SETS) <= set(found)
    assert {(1, 2), (3, 4)} <= set(found)  # their means lie nearest


def test_pdf_classes_are_asked_for_from_the_first_on() -> None:
    assert questions_for([(2, 1)], 1, 3) == {PDF_CLASS: [(0,), (0, 1)], 0: [(1, 2)]}


Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.mark.parametrize(("width", "central", "leaves"), [(1, 0, 30), (2, 1, 20), (2, 1, 0), (3, 1, 30)])
@pytest.mark.parametrize("states", [TWO_STATES, CHAIN])
def test_kaldi_builds_the_same_tree(
    width: int, central: int, leaves: int, states, tmp_path: Path, rng: np.random.Generator, kaldi: Run
) -> None:
    model, context = monophones(states), [f"--context-width={width}", f"--central-position={central}"]
    found = Accumulator(width, central, [1])
    with (
        TableWriter(f"ark:{tmp_path}/feats", MATRIX) as feats,
        TableWriter(f"ark:{tmp_path}/ali", INT_VECTOR) as alignments,
        open_output(str(tmp_path / "mdl")) as out,
        open_output(str(tmp_path / "topo")) as topo,
    ):
        write_transitions(out, model)
        write_topology(topo, model.topology)
        for k in range(30):
            ids, x = utterance(model, rng)
            feats.write(f"u{k:02}", x)
            alignments.write(f"u{k:02}", ids)
            found.add(split_to_phones(model, ids), pdf_classes(model, ids), x)
    sets = [(1,), (2, 3), (4,), (2, 4), (3,), (2,)]
    (tmp_path / "sets").write_text("".join(f"{' '.join(map(str, s))}\n" for s in sets))
    kinds = ["not-shared not-split 1", "shared split 2 3", "shared split 4"]
    (tmp_path / "roots").write_text("\n".join(kinds) + "\n")
    tables = [f"ark:{tmp_path}/feats", f"ark:{tmp_path}/ali"]
    kaldi("acc-tree-stats", *context, "--ci-phones=1", tmp_path / "mdl", *tables, tmp_path / "acc")
    kaldi("compile-questions", *context, tmp_path / "topo", tmp_path / "sets", tmp_path / "qst")
    names = [tmp_path / name for name in ("acc", "roots", "qst", "topo", "tree")]
    kaldi("build-tree", *context, "--thresh=3", f"--max-leaves={leaves}", *names)
    roots = [Root((1,), False, False), Root((2, 3)), Root((4,))]
    classes = classes_of(model.topology)
    questions = questions_for(sets, width, max(classes.values()))
    mine = build_tree(found.statistics(), questions, roots, classes, BuildOptions(leaves, 3.0))
    assert mine == read_tree(str(tmp_path / "tree"))
    write_tree(mine, str(tmp_path / "mine"))
    assert (tmp_path / "mine").read_bytes() == (tmp_path / "tree").read_bytes()

"""Alignments cut into phones and turned into those of another model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nnet.context_trees.alignments import (
    Converter,
    balanced,
    evenly,
    pdf_classes,
    shortest_path,
    split_to_phones,
    windows,
)
from nnet.context_trees.biphone import full_biphone_tree
from nnet.formats.basic import open_output
from nnet.formats.kinds import INT_VECTOR
from nnet.formats.tables import TableWriter, read_table
from nnet.formats.topology import HmmState, topology
from nnet.formats.transitions import transition_model, write_transitions
from nnet.formats.tree import monophone_tree, write_tree
from tests.nnet.context_trees.toy import (
    CHAIN,
    END,
    PHONES,
    TWO_STATES,
    aligned,
    classes_of,
    monophones,
    utterance,
)


def test_an_alignment_is_cut_where_phones_end() -> None:
    model = monophones(TWO_STATES)
    segments = split_to_phones(model, aligned(model, [2, 2, 1, 4], [3, 2, 5, 2]))
    assert [(s.phone, s.length) for s in segments] == [(2, 3), (2, 2), (1, 5), (4, 2)]
    assert split_to_phones(model, np.zeros(0, np.int32)) == []


def test_loops_after_the_end_of_a_phone_belong_to_it() -> None:
    model = monophones(CHAIN)
    segments = split_to_phones(model, aligned(model, [3, 3], [4, 1]))
    assert [s.length for s in segments] == [4, 1]
    assert pdf_classes(model, segments[0].ids).tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize(
    ("keep", "message"), [(slice(0, 1), "ends in the middle"), (slice(0, None, 2), "changes its phone")]
)
def test_alignments_that_break_off_are_refused(keep: slice, message: str) -> None:
    model = monophones(TWO_STATES)
    ids = aligned(model, [1, 2, 3, 4], [2, 2, 2, 2])
    with pytest.raises(ValueError, match=message):
        split_to_phones(model, ids[keep] if keep.step is None else np.append(ids[keep], ids[-1]))


def test_windows_reach_beyond_the_ends_with_zeros() -> None:
    assert list(windows([5, 6], 3, 1)) == [(0, 5, 6), (5, 6, 0)]
    assert list(windows([5, 6], 2, 1)) == [(0, 5), (5, 6)]


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [([1, 0, 3], [1, 1, 2]), ([2, 0, 0, 3], [1, 1, 1, 2]), ([0, 4], [1, 3]), ([1, 0, 1], None)],
)
def test_phones_without_a_frame_borrow_one(lengths: list[int], expected: list[int] | None) -> None:
    assert balanced(lengths, [1] * len(lengths)) == expected


def test_states_share_frames_evenly_and_may_be_skipped() -> None:
    skipping = (HmmState(0, 0, ((0, 0.4), (1, 0.3), (2, 0.3))), HmmState(1, 1, ((1, 0.6), (2, 0.4))), END)
    assert shortest_path(skipping) == [(0, 2)]
    assert evenly(TWO_STATES, 5) == [(0, 1), (0, 0), (1, 1), (1, 0), (1, 0)]
    with pytest.raises(ValueError, match="cannot take 1 frames"):
        evenly(TWO_STATES, 1)


def test_a_changed_topology_keeps_the_phones_and_their_time(rng: np.random.Generator) -> None:
    old, new_topology = monophones(TWO_STATES), topology(CHAIN, PHONES)
    tree = full_biphone_tree(PHONES, 2)
    new = transition_model(tree, new_topology)
    ids, _ = utterance(old, rng)
    found = Converter(old, new, tree).convert(ids)
    assert found is not None
    assert new.phone_of(found).tolist() == old.phone_of(ids).tolist()
    pdfs = [tree.pdf(w, 0) for w in windows([s.phone for s in split_to_phones(old, ids)], 2, 1)]
    assert new.pdf_of([s.ids[0] for s in split_to_phones(new, found)]).tolist() == pdfs


def test_repeated_frames_are_as_many_as_before(rng: np.random.Generator) -> None:
    old, new = monophones(TWO_STATES), monophones(CHAIN)
    tree = full_biphone_tree(PHONES, 2)
    new = transition_model(tree, new.topology)
    ids, _ = utterance(old, rng)
    found = Converter(old, new, tree, 3).repeated(ids)
    assert found is not None
    assert len(found) == len(ids)
    assert (new.phone_of(found) == old.phone_of(ids)).mean() > 0.7


@pytest.mark.parametrize(("num_frames", "lengths"), [(11, [6, 5]), (12, [6, 6]), (7, [5, 2]), (3, None)])
def test_alignments_of_a_lower_rate_are_drawn_out(num_frames: int, lengths: list[int] | None) -> None:
    old, new = monophones(CHAIN), monophones(TWO_STATES)
    converter = Converter(old, new, monophone_tree(classes_of(new.topology)), repetition=3)
    found = converter.convert(aligned(old, [2, 3], [2, 2]), num_frames=num_frames)
    got = None if found is None else [s.length for s in split_to_phones(new, found)]
    assert got == lengths


@pytest.mark.parametrize("options", [[], ["--frame-subsampling-factor=3"]])
def test_kaldi_converts_the_same(
    options: list[str], tmp_path: Path, rng: np.random.Generator, kaldi: Callable[..., object]
) -> None:
    old, tree = monophones(CHAIN), full_biphone_tree(PHONES, 2, [1])
    new = transition_model(tree, old.topology)
    ids = {f"u{k}": utterance(old, rng)[0] for k in range(20)}
    with TableWriter(f"ark:{tmp_path}/ali", INT_VECTOR) as table:
        for key, value in ids.items():
            table.write(key, value)
    for name, model in (("old", old), ("new", new)):
        with open_output(str(tmp_path / name)) as out:
            write_transitions(out, model)
    write_tree(tree, str(tmp_path / "tree"))
    arguments = [tmp_path / "old", tmp_path / "new", tmp_path / "tree"]
    kaldi("convert-ali", *options, *arguments, f"ark:{tmp_path}/ali", f"ark:{tmp_path}/kaldi")
    converter = Converter(old, new, tree, 3 if options else 1)
    theirs = {k: v.tolist() for k, v in read_table(f"ark:{tmp_path}/kaldi", INT_VECTOR)}
    assert {k: converter.convert(v).tolist() for k, v in ids.items()} == theirs  # type: ignore[union-attr]

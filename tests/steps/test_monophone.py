"""Monophone models, and alignments from the lengths of phones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnet.formats.topology import HmmState, topology
from nnet.formats.transitions import transition_model
from nnet.formats.tree import monophone_tree
from steps.monophone import equal_alignment, shares, transition_ids
from tests.steps.toy import toy_lang


@pytest.mark.parametrize(
    ("total", "parts", "expected"), [(3, 3, [1, 1, 1]), (8, 3, [2, 3, 3]), (7, 3, [2, 2, 3]), (5, 1, [5])]
)
def test_frames_are_shared_evenly(total: int, parts: int, expected: list[int]) -> None:
    assert shares(total, parts) == expected


def test_every_state_of_every_phone_has_a_pdf_of_its_own(tmp_path: Path) -> None:
    _, model = toy_lang(tmp_path)
    assert model.num_pdfs == 9
    assert model.num_ids == 18  # staying and leaving


def test_states_follow_each_other_and_the_way_out_comes_before_the_self_loops(tmp_path: Path) -> None:
    lang, model = toy_lang(tmp_path)
    ids = transition_ids(model, [lang.phones["n"], lang.phones["o"]], [5, 3])
    assert model.phone_of(ids).tolist() == [2] * 5 + [3] * 3
    assert model.hmm_state_of(ids).tolist() == [0, 1, 1, 2, 2, 0, 1, 2]
    assert model.is_self_loop(ids).tolist() == [False, False, True, False, True, False, False, False]


def test_a_phone_shorter_than_its_states_is_refused(tmp_path: Path) -> None:
    lang, model = toy_lang(tmp_path)
    with pytest.raises(ValueError, match="2 frames are too few for phone 2 of 3 states"):
        transition_ids(model, [lang.phones["n"]], [2])


def test_equal_alignments_have_the_words_phones_with_silence_drawn_around(tmp_path: Path) -> None:
    lang, model = toy_lang(tmp_path)
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(40):
        ids = equal_alignment(model, lang, ["no"], 20, rng)
        assert ids is not None and len(ids) == 20
        phones = model.phone_of(ids)
        seen.add(tuple(phones[np.flatnonzero(np.diff(phones, prepend=0))].tolist()))
    assert seen == {(2, 3), (1, 2, 3), (2, 3, 1), (1, 2, 3, 1)}


@pytest.mark.parametrize(("num_frames", "fits"), [(5, False), (6, True), (8, True)])
def test_equal_alignments_leave_out_silence_and_then_the_utterance(
    tmp_path: Path, num_frames: int, fits: bool
) -> None:
    lang, model = toy_lang(tmp_path)
    drawn = [equal_alignment(model, lang, ["no"], num_frames, np.random.default_rng(s)) for s in range(8)]
    assert all((ids is not None) == fits for ids in drawn)
    assert all(set(model.phone_of(ids).tolist()) == {2, 3} for ids in drawn if ids is not None)


def test_models_whose_states_may_be_skipped_have_no_known_lengths() -> None:
    states = [
        HmmState(0, 0, ((0, 0.5), (1, 0.25), (2, 0.25))),
        HmmState(1, 1, ((1, 0.75), (2, 0.25))),
        HmmState(-1, -1, ()),
    ]
    model = transition_model(monophone_tree({1: 2}), topology(states, [1]))
    with pytest.raises(ValueError, match="only left-to-right monophone models"):
        transition_ids(model, [1], [4])

"""Alignments from known times: edges, short phones, the directory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from egs.digits.alignment import phone_lengths, write_alignments
from egs.digits.corpus import Utterance
from steps.ali_dir import AliDir
from steps.features import MfccOptions
from steps.lang import make_lang, write_lang

RATE = 16000
OPTIONS = MfccOptions()


@pytest.mark.parametrize(
    ("starts_ms", "num_frames", "expected"),
    [
        ([0], 10, [10]),
        ([0, 112.5], 20, [10, 10]),  # the middle of frame 10 is at 112.5 ms
        ([0, 117.4], 20, [10, 10]),
        ([0, 117.6], 20, [11, 9]),
        ([0, 100, 110], 20, [9, 3, 8]),  # a phone of one frame takes two of the next
        ([0, 1, 2], 9, [3, 3, 3]),
        ([0, 190, 195], 20, [14, 3, 3]),  # the last ones take from those before
        ([0, 5000], 20, [17, 3]),
    ],
)
def test_frames_belong_to_the_phone_at_their_middle(
    starts_ms: list[float], num_frames: int, expected: list[int]
) -> None:
    starts = [round(ms * RATE / 1000) for ms in starts_ms]
    assert phone_lengths(starts, num_frames, RATE, OPTIONS) == expected


def test_lengths_always_add_up_and_no_phone_is_shorter_than_its_states() -> None:
    rng = np.random.default_rng(5)
    for _ in range(300):
        phones = int(rng.integers(1, 12))
        num_frames = int(rng.integers(3 * phones, 3 * phones + 30))
        starts = np.sort(rng.integers(0, num_frames * RATE // 100 + 2000, phones)).tolist()
        lengths = phone_lengths(starts, num_frames, RATE, OPTIONS)
        assert sum(lengths) == num_frames and min(lengths) >= 3


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="5 frames are too few for 2 phones of 3 states"):
        phone_lengths([0, 100], 5, RATE, OPTIONS)


def test_an_alignment_directory_holds_every_utterance(tmp_path: Path) -> None:
    lang = make_lang({"no": [("n", "o")]})
    write_lang(lang, tmp_path / "lang")
    samples = np.zeros(4000, np.int16)
    corpus = [
        Utterance("s-1", "s", ("no",), samples, RATE, (("SIL", 0), ("n", 1480), ("o", 2280), ("SIL", 3080))),
        Utterance("s-2", "s", ("no",), samples, RATE, (("n", 0), ("o", 1800))),
    ]
    frames = {"s-1": 23, "s-2": 23}
    write_alignments(tmp_path / "ali", corpus, frames, lang, tmp_path / "lang", OPTIONS)
    ali = AliDir(tmp_path / "ali")
    ali.check()
    found = {u: ali.transitions.phone_of(ids) for u, ids in ali.alignments()}
    assert {u: np.bincount(p, minlength=4)[1:].tolist() for u, p in found.items()} == {
        "s-1": [13, 5, 5],
        "s-2": [0, 10, 13],
    }
    assert (tmp_path / "ali" / "phones.txt").read_text() == (tmp_path / "lang" / "phones.txt").read_text()

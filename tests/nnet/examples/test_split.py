"""Utterances are cut into chunks as Kaldi cuts them."""

from __future__ import annotations

import numpy as np
import pytest

from nnet.examples.gaps import gap_sizes, spread_evenly, spread_in_proportion
from nnet.examples.split import ChunkOptions, UtteranceSplitter, default_duration


def splitter(seed=0, **options):
    return UtteranceSplitter(ChunkOptions(**options), np.random.default_rng(seed))


def spans(chunks):
    return [(c.first_frame, c.num_frames) for c in chunks]


def test_an_utterance_of_whole_chunks_is_cut_without_gaps():
    assert spans(splitter(num_frames="8").chunks(24)) == [(0, 8), (8, 8), (16, 8)]


def test_an_utterance_shorter_than_the_smallest_chunk_gives_none():
    s = splitter(num_frames="8,6")
    assert s.chunks(5) == []
    assert s.num_utterances == 1 and s.frames_in_chunks == 0
    assert len(splitter(num_frames="8,6").chunks(6)) == 1


def test_minus_one_makes_one_chunk_of_the_whole_utterance():
    chunks = splitter(num_frames="-1", left_context=3, left_context_initial=1, right_context=4).chunks(17)
    assert spans(chunks) == [(0, 17)]
    assert (chunks[0].left_context, chunks[0].right_context) == (1, 4)
    assert chunks[0].output_weights.tolist() == [1.0] * 17


def test_contexts_at_the_ends_of_an_utterance_may_differ():
    options = dict(left_context=5, right_context=6, left_context_initial=0, right_context_final=2)
    chunks = splitter(num_frames="4", **options).chunks(12)
    assert [(c.left_context, c.right_context) for c in chunks] == [(0, 6), (5, 6), (5, 2)]


@pytest.mark.parametrize("length", range(6, 200, 7))
@pytest.mark.parametrize("options", [
    dict(num_frames="8"),
    dict(num_frames="12,8,6", num_frames_overlap=4),
    dict(num_frames="12,6", frame_subsampling_factor=3),
    dict(num_frames="15,9", num_frames_overlap=6, frame_subsampling_factor=3),
])  # fmt: skip
def test_chunks_lie_within_the_utterance_and_their_weights_count_every_frame_once(options, length):
    s = splitter(seed=length, **options)
    factor = s.options.frame_subsampling_factor
    seen = np.zeros(-(-length // factor))
    chunks = s.chunks(length)
    for c in chunks:
        assert (
            c.num_frames in s.sizes and c.first_frame % factor == 0 and c.output_weights.dtype == np.float32
        )
        assert c.first_frame >= 0 and c.first_frame + c.num_frames - length < factor
        seen[c.first_frame // factor : (c.first_frame + c.num_frames) // factor] += c.output_weights
    assert np.all((np.abs(seen - 1) < 1e-6) | (seen == 0))
    assert bool(chunks) == (length >= min(s.sizes))


def test_at_most_two_chunks_have_an_alternative_size():
    s = splitter(num_frames="20,13,7")
    for length in range(7, 300):
        assert sum(c.num_frames != 20 for c in s.chunks(length)) <= 2


def test_a_chunk_more_than_needed_is_preferred_to_frames_left_out():
    # 20 frames: two chunks of 12 overlap by 4 (cost 4); one chunk leaves 8 out (cost 16)
    assert spans(splitter(num_frames="12").chunks(20)) == [(0, 12), (8, 12)]
    # 15 frames: two chunks overlap by 9 (cost 9), one leaves 3 out (cost 6)
    assert [size for _, size in spans(splitter(num_frames="12").chunks(15))] == [12]


def test_splits_of_nearly_equal_cost_are_all_drawn():
    drawn = {
        tuple(sorted(c.num_frames for c in splitter(seed, num_frames="12,8,4").chunks(24)))
        for seed in range(60)
    }
    assert drawn == {(12, 12), (4, 8, 12)}


def test_the_same_seed_cuts_the_same_way():
    assert all(
        spans(splitter(3, num_frames="9,5").chunks(n)) == spans(splitter(3, num_frames="9,5").chunks(n))
        for n in range(5, 80)
    )


def test_default_duration_subtracts_overlaps_in_proportion_to_the_shorter_chunk():
    assert (
        default_duration((6, 12, 12), 12, 4)
        == np.float32(30) - np.float32(1 / 3) * 6 - np.float32(1 / 3) * 12
    )
    assert default_duration((), 12, 4) == 0


def test_sizes_are_rounded_up_to_the_subsampling_factor():
    assert ChunkOptions(num_frames="8,9,10", frame_subsampling_factor=3).sizes() == (9, 9, 12)


@pytest.mark.parametrize("options, message", [
    (dict(num_frames="8,x"), "--num-frames=8,x is not a comma-separated list"),
    (dict(num_frames="0"), "--num-frames=0: sizes must be positive"),
    (dict(num_frames="8", num_frames_overlap=8), "--num-frames-overlap=8 must be at least 0 and less than"),
    (dict(num_frames="8", num_frames_overlap=-1), "--num-frames-overlap=-1 must be"),
    (dict(frame_subsampling_factor=0), "--frame-subsampling-factor=0 is not positive"),
])  # fmt: skip
def test_options_without_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        splitter(**options)


def test_a_length_that_does_not_fit_is_told_with_both_numbers():
    s = splitter(num_frames="6", frame_subsampling_factor=3)
    assert s.length_problem("utt", 10, 4, 0) is None and s.length_problem("utt", 10, 6, 2) is None
    problem = s.length_problem("utt7", 10, 7, 2)
    assert "utt7" in problem and "(10 + 3 - 1) / 3 = 4, got 7" in problem
    assert "expected length = 10, got 7" in splitter(num_frames="6").length_problem("u", 10, 7, 2)


def test_the_summary_has_kaldis_wording_and_figures():
    s = splitter(num_frames="8,4")
    s.chunks(16)
    s.chunks(12)
    lines = s.summary()
    assert lines[0] == (
        "Split 2 utts, with total length 28 frames (7.77778e-05 hours assuming 100 frames per second) "
        "into 4 chunks."
    )
    assert lines[1].startswith(
        "Average chunk length was 7 frames; overlap between adjacent chunks was 0% of input length;"
    )
    assert lines[2] == "Output frames are distributed among chunk-sizes as follows: 4 = 14.29%, 8 = 85.71%"
    assert splitter(num_frames="8").summary()[1] == (
        "Average chunk length was 0 frames; overlap between adjacent chunks was 0% of input length; "
        "length of output was 0% of input length (minus overlap = 0%)."
    )


def test_spare_frames_are_spread_evenly_at_random_places():
    rng = np.random.default_rng(1)
    drawn = {tuple(spread_evenly(5, 3, rng)) for _ in range(50)}
    assert drawn == {(1, 2, 2), (2, 1, 2), (2, 2, 1)}
    assert spread_evenly(6, 3, rng) == [2, 2, 2]


def test_what_rounding_leaves_of_an_overlap_goes_to_the_first_parts():
    assert spread_in_proportion(7, [10, 20, 10]) == [2, 4, 1]
    assert spread_in_proportion(8, [1, 1, 1]) == [3, 3, 2]


def test_overlaps_lie_only_between_chunks_and_gaps_anywhere():
    rng = np.random.default_rng(0)
    assert gap_sizes(20, [12, 12], 1, rng) == [0, -4]
    assert gap_sizes(20, [9, 9], 3, rng) in ([0, 0], [3, 0], [0, 3])
    assert gap_sizes(20, [], 1, rng) == []
    with pytest.raises(ValueError, match="chunk size is 12 but utterance length is only 8"):
        gap_sizes(8, [12], 1, rng)

"""Examples cut down, shifted, scaled and renamed."""

from __future__ import annotations

import numpy as np
import pytest

from nnet.examples.copy import FrameSelector, draw_count, rename_output, scale_output, shift_times
from nnet.examples.merge import merge_examples
from nnet.formats.examples import NnetExample
from nnet.formats.matrix import compress, dense
from tests.nnet.examples.toys import frame_example, same_example


def times(eg):
    return [io.indexes[:, 1].tolist() for io in eg.io]


def test_one_frame_keeps_the_context_asked_for(rng):
    eg = frame_example(rng, labels=5, left=3, right=3, ivector=2)
    cut = FrameSelector(frame="2", left_context=1, right_context=2)(eg)
    assert times(cut) == [[1, 2, 3, 4], [0], [2]]
    assert np.array_equal(cut.io[0].features, eg.io[0].features[4:8])
    assert np.array_equal(dense(cut.io[2].features), dense(eg.io[2].features)[2:3])
    assert cut.io[1] is eg.io[1]


def test_without_context_options_all_input_is_kept(rng):
    eg = frame_example(rng)
    assert times(FrameSelector(frame="1")(eg)) == [times(eg)[0], [1]]
    assert not FrameSelector().changes and FrameSelector(right_context=0).changes


def test_a_frame_the_example_does_not_have_gives_none(rng):
    assert FrameSelector(frame="4")(frame_example(rng, labels=4)) is None
    assert FrameSelector(frame="-1")(frame_example(rng, labels=4)) is None


def test_random_frames_are_all_drawn(rng):
    select = FrameSelector(frame="random", rng=rng)
    assert {times(select(frame_example(rng, labels=4)))[1][0] for _ in range(80)} == {0, 1, 2, 3}


def test_too_little_context_is_told_once_for_each_side(rng):
    told = []
    select = FrameSelector(left_context=5, right_context=5, warn=told.append)
    for _ in range(3):
        assert times(select(frame_example(rng, left=2, right=1))) == [list(range(-2, 5)), list(range(4))]
    assert len(told) == 2 and "--left-context=5, but example only has left-context of 2" in told[0]
    assert (
        "--right-context=5, but example only has right-context of 1" in told[1]
        and "right-context-final" in told[1]
    )


def test_compressed_input_becomes_dense_only_where_rows_are_left_out(rng):
    eg = frame_example(rng, labels=8)
    eg.io[0].features = packed = compress(eg.io[0].features)
    assert FrameSelector(frame_shift=1)(eg).io[0].features is packed
    assert np.array_equal(FrameSelector(left_context=1)(eg).io[0].features, packed.dense()[1:])


def test_merged_examples_and_missing_ios_are_refused(rng):
    merged = merge_examples([frame_example(rng), frame_example(rng)])
    with pytest.raises(ValueError, match="holds 2 sequences: select frames before merging"):
        FrameSelector(frame="0")(merged)
    with pytest.raises(ValueError, match="no io named 'output', only input"):
        FrameSelector(frame="0")(NnetExample(frame_example(rng).io[:1]))
    with pytest.raises(ValueError, match="--frame=first is neither a frame number nor 'random'"):
        FrameSelector(frame="first")


def test_a_selection_that_leaves_no_row_says_so(rng):
    eg = frame_example(rng, labels=4, left=0, right=0)
    eg.io[0].indexes = eg.io[0].indexes + np.array([0, 50, 0], np.int32)
    with pytest.raises(ValueError, match="no row of 'input' has a t from 50 to 3"):
        FrameSelector(right_context=0)(eg)


def test_shifting_moves_everything_but_the_ivector(rng):
    eg = frame_example(rng, ivector=2)
    shifted = shift_times(eg, 3)
    assert times(shifted) == [[t + 3 for t in times(eg)[0]], [0], [3, 4, 5, 6]]
    assert same_example(shift_times(shifted, -3), eg) and shift_times(eg, 0) is eg


@pytest.mark.parametrize("pack", [lambda m: m, dense, lambda m: compress(dense(m))])
def test_supervision_is_scaled_in_every_form(rng, pack):
    eg = frame_example(rng, labels=12)
    eg.io[1].features = pack(eg.io[1].features)
    scaled = scale_output(eg, 0.25)
    assert type(scaled.io[1].features) is type(eg.io[1].features)
    assert np.allclose(dense(scaled.io[1].features), 0.25 * dense(eg.io[1].features))
    assert scaled.io[0] is eg.io[0] and scale_output(eg, 1.0) is eg


def test_renaming_and_scaling_need_an_output(rng):
    eg = rename_output(frame_example(rng), "output-3")
    assert [io.name for io in eg.io] == ["input", "output-3"]
    for change in (lambda: rename_output(eg, "x"), lambda: scale_output(eg, 2.0)):
        with pytest.raises(ValueError, match="no io named 'output', only input, output-3"):
            change()


def test_counts_have_the_expectation_asked_for(rng):
    assert {draw_count(2.0, rng) for _ in range(20)} == {2}
    assert {draw_count(0.0, rng) for _ in range(20)} == {0}
    drawn = [draw_count(1.25, rng) for _ in range(4000)]
    assert set(drawn) == {1, 2} and abs(np.mean(drawn) - 1.25) < 0.03
    with pytest.raises(ValueError, match="--keep-proportion=-1 is negative"):
        draw_count(-1, rng)

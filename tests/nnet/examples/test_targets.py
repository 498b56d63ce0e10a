"""Targets of an utterance and of its chunks."""

from __future__ import annotations

import numpy as np
import pytest

from nnet.examples.targets import make_targets
from nnet.formats.matrix import from_pairs

ONES = np.ones(3, np.float32)


def scaled(posterior, weights, dim):
    frames = [[(c, float(np.float32(p) * np.float32(w))) for c, p in f] for f, w in zip(posterior, weights)]
    return from_pairs(frames, dim)


def test_an_alignment_gives_one_class_of_weight_one_in_each_frame():
    rows = make_targets(np.array([3, 1, 4, 1], np.int32), 5).rows(1, ONES)
    assert rows.dense().tolist() == [[0, 1, 0, 0, 0], [0, 0, 0, 0, 1], [0, 1, 0, 0, 0]]


def test_posteriors_are_scaled_sorted_and_repeated_classes_added_as_one_by_one(rng):
    for seed in range(20):
        r = np.random.default_rng(seed)
        posterior = [
            [(int(c), float(w)) for c, w in zip(r.integers(0, 4, k), r.random(k).astype(np.float32))]
            for k in r.integers(0, 5, 8)
        ]
        weights = np.array([1, 0.5, 1 / 3], np.float32)
        ours, expected = make_targets(posterior, 4).rows(2, weights), scaled(posterior[2:5], weights, 4)
        for name in ("indptr", "indices", "values"):
            assert np.array_equal(getattr(ours, name), getattr(expected, name)), name
        assert ours.shape == expected.shape == (3, 4)


def test_zero_weights_are_left_out():
    rows = make_targets([[(2, 0.0), (1, 1.0)], [(0, 0.5), (0, -0.5)], []], 3).rows(0, ONES)
    assert rows.indptr.tolist() == [0, 1, 1, 1] and rows.indices.tolist() == [1]


@pytest.mark.parametrize("start, expected", [(2, [1, 1, 0]), (4, [0, 0, 0]), (9, [0, 0, 0])])
def test_frames_past_the_end_have_no_target(start, expected):
    rows = make_targets(np.array([0, 1, 0, 1]), 2).rows(start, ONES)
    assert np.diff(rows.indptr).tolist() == expected and rows.rows == 3


def test_dense_targets_are_not_scaled_and_end_with_the_last_row():
    y = np.arange(8, dtype=np.float64).reshape(4, 2)
    rows = make_targets(y, 2).rows(2, ONES * np.float32(0.5))
    assert rows.tolist() == [[4, 5], [6, 7], [6, 7]] and rows.dtype == np.float32


@pytest.mark.parametrize("value", [np.arange(7), [[(i, 1.0)] for i in range(7)], np.eye(7)])
def test_every_third_frame_can_be_taken(value):
    thin = make_targets(value, 7).every(3)
    assert len(thin) == 3
    rows = thin.rows(0, ONES)
    assert np.argmax(rows if isinstance(rows, np.ndarray) else rows.dense(), 1).tolist() == [0, 3, 6]


@pytest.mark.parametrize("value, message", [
    (np.array([0, 5]), r"class 5 is not in 0 \.\.\. 4"),
    (np.array([-1, 5]), r"class -1 is not in"),
    ([[(1, 1.0)], [(7, 0.5)]], r"class 7 is not in 0 \.\.\. 4 \(--num-pdfs=5\)"),
    (np.zeros((4, 3)), "targets have 3 columns, expected 5"),
])  # fmt: skip
def test_targets_outside_the_dimension_are_refused(value, message):
    with pytest.raises(ValueError, match=message):
        make_targets(value, 5)

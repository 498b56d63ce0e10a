"""Examples of one structure merged into minibatches."""

from __future__ import annotations

import numpy as np
import pytest

from nnet.examples.merge import MergingStats, example_size, group_examples, merge, merge_examples, structure
from nnet.examples.minibatch_size import parse_minibatch_sizes
from nnet.formats.matrix import CompressedMatrix, SparseMatrix, compress, dense
from tests.nnet.examples.toys import frame_example, same_example


def test_merging_appends_rows_and_counts_the_examples_in_n(rng):
    egs = [frame_example(rng, ivector=2) for _ in range(3)]
    merged = merge_examples(egs)
    assert [io.name for io in merged.io] == ["input", "ivector", "output"]
    for i, io in enumerate(merged.io):
        assert np.array_equal(dense(io.features), np.concatenate([dense(e.io[i].features) for e in egs]))
        expected = [(k, t, 0) for k in range(3) for _, t, _ in egs[0].io[i].indexes.tolist()]
        assert io.indexes.tolist() == [list(row) for row in expected]
    assert isinstance(merged.io[2].features, SparseMatrix)


def test_names_are_sorted_whatever_their_order(rng):
    a, b = frame_example(rng), frame_example(rng)
    b.io.reverse()
    assert [io.name for io in merge_examples([b, a]).io] == ["input", "output"]
    assert same_example(merge_examples([b, a]), merge_examples([type(b)(b.io[::-1]), a]))


def test_merged_examples_merge_again(rng):
    egs = [frame_example(rng) for _ in range(4)]
    twice = merge_examples([merge_examples(egs[:2]), merge_examples(egs[2:])])
    assert same_example(twice, merge_examples(egs))


def test_the_examples_themselves_do_not_change(rng):
    egs = [frame_example(rng) for _ in range(2)]
    before = [[io.indexes.copy() for io in e.io] for e in egs]
    merge_examples(egs)
    assert all(np.array_equal(i, io.indexes) for b, e in zip(before, egs) for i, io in zip(b, e.io))


def test_compression_is_undone_and_done_again_on_request(rng):
    egs = [frame_example(rng, labels=9) for _ in range(2)]
    for eg in egs:
        eg.io[0].features = compress(eg.io[0].features)
    whole = np.concatenate([e.io[0].features.dense() for e in egs])
    assert np.array_equal(merge_examples(egs).io[0].features, whole)
    packed = merge_examples(egs, compress=True)
    assert isinstance(packed.io[0].features, CompressedMatrix) and isinstance(
        packed.io[1].features, SparseMatrix
    )
    assert np.array_equal(packed.io[0].features.dense(), compress(whole).dense())


def test_sparse_and_dense_supervision_together_become_dense(rng):
    a, b = frame_example(rng), frame_example(rng)
    b.io[1].features = dense(b.io[1].features)
    both = merge_examples([a, b]).io[1].features
    assert isinstance(both, np.ndarray) and np.array_equal(both[:4], dense(a.io[1].features))


def test_different_dimensions_and_numbers_of_sequences_are_refused(rng):
    with pytest.raises(ValueError, match=r"'input' has different dimensions: \[3, 4\]"):
        merge_examples([frame_example(rng), frame_example(rng, dim=4)])
    pair = merge_examples([frame_example(rng), frame_example(rng)])
    with pytest.raises(ValueError, match="different numbers of sequences"):
        merge_examples([frame_example(rng), pair])


def test_only_examples_of_one_structure_share_a_minibatch(rng):
    egs = [frame_example(rng, labels=4 + i % 2) for i in range(10)]
    stats = MergingStats()
    groups = list(group_examples(egs, parse_minibatch_sizes("2,3"), stats))
    assert [len(g) for g in groups] == [3, 3, 2, 2]
    assert all(len({structure(e) for e in g}) == 1 for g in groups)
    assert stats.num_discarded == 0 and stats.num_minibatches == 4
    assert [id(e) for g in groups for e in g if example_size(e) == 7] == [id(e) for e in egs[::2]]


def test_full_minibatches_come_as_soon_as_they_are_full(rng):
    taken = 0

    def source():
        nonlocal taken
        for _ in range(10):
            taken += 1
            yield frame_example(rng)

    assert len(next(group_examples(source(), parse_minibatch_sizes("4")))) == 4 and taken == 4


def test_the_remainder_is_discarded_and_counted(rng):
    stats = MergingStats()
    list(group_examples([frame_example(rng) for _ in range(11)], parse_minibatch_sizes("4"), stats))
    assert stats.num_discarded == 3 and stats.num_minibatches == 2


def test_keys_count_the_minibatches_and_give_their_size(rng):
    keys = [key for key, _ in merge([frame_example(rng) for _ in range(7)], parse_minibatch_sizes("1:3"))]
    assert keys == ["merged-0-3", "merged-1-3", "merged-2-1"]


def test_the_summary_has_kaldis_wording(rng):
    stats = MergingStats()
    egs = [frame_example(rng) for _ in range(9)] + [frame_example(rng, labels=6) for _ in range(2)]
    list(group_examples(egs, parse_minibatch_sizes("2,4"), stats))
    assert stats.summary()[1] == "7={4->2,d=1},9={2->1,d=0}"
    assert stats.summary()[2] == (
        "Processed 11 egs of avg. size 7.364 into 3 minibatches, discarding 9.091% of egs.  "
        "Avg minibatch size was 3.333, #distinct types of egs/minibatches was 2/2"
    )
    line = MergingStats().summary()[2]
    assert line.startswith("Processed 0 egs of avg. size 0 into 0 minibatches, discarding 0% of egs.")
    assert "Avg minibatch size was 0, " in line

"""Examples made of utterances: frames, contexts, targets, counts."""

from __future__ import annotations

import numpy as np
import pytest

from nnet.examples.make import ExampleMaker, MakeOptions
from nnet.examples.split import ChunkOptions
from nnet.formats.matrix import CompressedMatrix, compress, dense

PDFS = 6


def maker(warn=lambda message: None, seed=0, compress=False, targets_tolerance=2, **options):
    rest = {k: options.pop(k) for k in ("ivector_period", "ivector_length_tolerance") if k in options}
    chunks = ChunkOptions(**{"num_frames": "8", **options})
    return ExampleMaker(
        MakeOptions(
            chunks=chunks, dim=PDFS, compress=compress, targets_length_tolerance=targets_tolerance, **rest
        ),
        np.random.default_rng(seed),
        warn,
    )


def features(frames, dim=2):
    """Frame t holds t, -t, ..."""
    return np.arange(frames, dtype=np.float32)[:, None] * np.array([1, -1] * (dim // 2), np.float32)


def classes(io):
    return np.argmax(dense(io.features), axis=1).tolist()


def test_each_example_holds_its_frames_its_context_and_its_targets():
    ali = np.arange(16) % PDFS
    egs = maker(left_context=2, right_context=3).make("utt", features(16), ali)
    assert [key for key, _ in egs] == ["utt-0", "utt-8"]
    for start, (_, eg) in zip((0, 8), egs):
        x, y = eg.io
        assert x.name == "input" and x.indexes.tolist() == [[0, t, 0] for t in range(-2, 11)]
        assert dense(x.features)[:, 0].tolist() == [min(max(start + t, 0), 15) for t in range(-2, 11)]
        assert y.name == "output" and y.indexes.tolist() == [[0, t, 0] for t in range(8)]
        assert classes(y) == ali[start : start + 8].tolist() and dense(y.features).sum() == 8


def test_contexts_at_the_ends_of_an_utterance_may_differ():
    m = maker(left_context=4, right_context=3, left_context_initial=0, right_context_final=1)
    inputs = [eg.io[0] for _, eg in m.make("u", features(24), np.zeros(24, int))]
    assert [io.indexes[[0, -1], 1].tolist() for io in inputs] == [[0, 10], [-4, 10], [-4, 8]]


def test_overlapping_frames_share_their_weight():
    egs = maker(num_frames="8", num_frames_overlap=4).make("u", features(12), np.zeros(12, int))
    assert [dense(eg.io[1].features)[:, 0].tolist() for _, eg in egs] == [
        [1] * 4 + [0.5] * 4,
        [0.5] * 4 + [1] * 4,
    ]


@pytest.mark.parametrize("rate", [1, 3])
def test_subsampled_targets_are_taken_from_the_right_frames(rate):
    ali = np.arange(24) // 3 % PDFS  # class k belongs to input frames 3k, 3k+1, 3k+2
    targets = ali if rate == 1 else ali[::3]
    egs = maker(num_frames="12", frame_subsampling_factor=3).make("u", features(24), targets)
    assert [classes(eg.io[1]) for _, eg in egs] == [[0, 1, 2, 3], [4, 5, 0, 1]]
    assert egs[1][1].io[1].indexes[:, 1].tolist() == [0, 3, 6, 9]
    assert egs[1][0] == "u-12" and dense(egs[1][1].io[0].features)[0, 0] == 12


def test_targets_may_be_a_little_shorter_and_the_frames_without_have_none():
    warnings = []
    m = maker(warnings.append)
    egs = m.make("u", features(8), np.zeros(6, int))
    assert np.diff(egs[0][1].io[1].features.indptr).tolist() == [1] * 6 + [0, 0] and not warnings
    assert m.make("short", features(8), np.zeros(5, int)) == []
    assert m.counts.wrong_length == 1
    assert warnings == [
        "Supervision does not have expected length for utterance short: expected length = 8, got 5"
    ]


def test_compressed_features_keep_their_codes_and_others_are_compressed_one_by_one(rng):
    x = rng.standard_normal((40, 4)).astype(np.float32)
    packed = compress(x)
    for _, eg in maker(compress=True, left_context=3).make("u", packed, np.zeros(40, int)):
        part = eg.io[0].features
        assert part.storage == packed.storage and np.array_equal(part.percentiles, packed.percentiles)
    plain = maker(left_context=3).make("u", x, np.zeros(40, int))
    for (_, a), (_, b) in zip(maker(compress=True, left_context=3).make("u", x, np.zeros(40, int)), plain):
        alone = compress(b.io[0].features)
        assert isinstance(a.io[0].features, CompressedMatrix)
        assert np.array_equal(a.io[0].features.dense(), alone.dense()) and not isinstance(
            b.io[0].features, CompressedMatrix
        )


def test_double_features_become_single():
    assert (
        maker().make("u", features(8).astype(np.float64), np.zeros(8, int))[0][1].io[0].features.dtype
        == np.float32
    )


def test_an_ivector_is_one_row_at_frame_zero_drawn_from_the_rows_there_are():
    ivectors = np.arange(5, dtype=np.float32)[:, None].repeat(3, 1)
    m = maker(ivector_period=10, left_context=5)
    drawn = set()
    for _ in range(60):
        for _, eg in m.make("u", features(48), np.zeros(48, int), ivectors):
            x = eg.io[1]
            assert x.name == "ivector" and x.indexes.tolist() == [[0, 0, 0]] and x.features.shape == (1, 3)
            drawn.add(float(x.features[0, 0]))
    assert drawn == {0, 1, 2, 3, 4}
    eg = maker(ivector_period=10, compress=True).make("u", features(48), np.zeros(48, int), ivectors)[0][1]
    assert isinstance(eg.io[1].features, CompressedMatrix)


def test_ivectors_of_another_length_are_told_with_both_numbers():
    warnings = []
    m = maker(warnings.append, ivector_period=10, ivector_length_tolerance=15)
    assert m.make("utt9", features(40), np.zeros(40, int), np.zeros((2, 3), np.float32)) == []
    assert "feats 40 and iVectors 2 (period 10) exceeds tolerance 15 for utterance utt9" in warnings[0]
    assert (
        m.make("u", features(40), np.zeros(40, int), np.zeros((0, 3), np.float32)) == []
        and m.counts.problems == 2
    )
    assert m.make("u", features(40), np.zeros(40, int), np.zeros((3, 3), np.float32))


def test_what_is_missing_is_counted_and_named():
    warnings = []
    m = maker(warnings.append)
    feats = [(u, features(n)) for u, n in (("a", 8), ("b", 8), ("c", 8), ("d", 3), ("e", 9), ("f", 0))]
    targets = {u: np.zeros(n, int) for u, n in (("a", 8), ("c", 8), ("d", 3), ("e", 5), ("f", 0))}
    made = list(m.stream(feats, targets, {u: np.zeros((8, 2), np.float32) for u in "abdef"}))
    assert [key for key, _ in made] == ["a-0"]
    c = m.counts
    assert (c.utterances, c.no_targets, c.no_ivectors, c.wrong_length, c.too_short, c.examples) == (
        6,
        1,
        1,
        2,
        1,
        1,
    )
    assert c.problems == 4
    for utterance, text in (
        ("b", "No pdf-level posterior"),
        ("c", "No iVectors"),
        ("d", "too short: 3 frames"),
    ):
        assert any(f" {utterance}" in w and text in w for w in warnings)


def test_a_class_outside_the_pdfs_names_the_utterance():
    with pytest.raises(ValueError, match=r"utterance bad: class 6 is not in 0 \.\.\. 5"):
        maker().make("bad", features(8), np.full(8, PDFS))


def test_dense_targets_are_kept_dense():
    y = np.random.default_rng(0).standard_normal((8, PDFS)).astype(np.float32)
    io = maker().make("u", features(8), y)[0][1].io[1]
    assert np.array_equal(io.features, y)


def test_options_without_sense_are_refused():
    with pytest.raises(ValueError, match="target dimension 0, i-vector period 1: must be positive"):
        ExampleMaker(MakeOptions(chunks=ChunkOptions(), dim=0), np.random.default_rng(0))

"""LDA statistics of examples and the transform estimated from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnet.examples.lda import LdaStats, feature_transform, random_prune, read_stats, sum_stats, write_stats
from nnet.examples.lda_output import output_stats
from nnet.formats.basic import open_input
from nnet.graph.network import Nnet
from nnet.minibatch import DenseTarget, SparseTarget
from tests.nnet.examples.toys import frame_example

GOLDEN = Path(__file__).parents[2] / "golden" / "lda"


def stats_of(rng, frames=400, classes=12, dim=5):
    label = rng.integers(0, classes, frames)
    x = (
        rng.standard_normal((frames, dim)) @ rng.standard_normal((dim, dim))
        + label[:, None] * np.arange(dim)
        + 2
    )
    stats = LdaStats.zeros(classes, dim)
    stats.accumulate(x, label, np.ones(frames))
    return stats, x, label


def spliced():
    """A network without components: three frames side by side."""
    lines = [
        "input-node name=input dim=3",
        "output-node name=output input=Append(Offset(input, -1), input, Offset(input, 1))",
    ]
    return Nnet.from_config(lines, lambda line, rng: None)


def matrix(name):
    with open_input(str(GOLDEN / name)) as source:
        return source.matrix()


@pytest.mark.parametrize("name, options", [
    ("transform.mat", {}),
    ("transform_10.mat", dict(dim=10, within_class_factor=1e-4, max_singular_value=0.5)),
])  # fmt: skip
def test_the_transform_is_kaldis_up_to_the_sign_of_rows(name, options):
    ours, reference = feature_transform(read_stats(str(GOLDEN / "stats.acc")), **options), matrix(name)
    assert ours.shape == reference.shape and ours.dtype == np.float32
    sign = np.sign((ours * reference).sum(1, keepdims=True))
    assert np.abs(ours * sign - reference).max() < 1e-5 * np.abs(reference).max()


def test_a_statistics_file_of_kaldis_is_written_back_byte_for_byte(tmp_path):
    write_stats(read_stats(str(GOLDEN / "stats.acc")), str(tmp_path / "again"))
    assert (tmp_path / "again").read_bytes() == (GOLDEN / "stats.acc").read_bytes()


def test_statistics_survive_a_text_file(rng, tmp_path):
    stats, _, _ = stats_of(rng)
    write_stats(stats, str(tmp_path / "t"), binary=False)
    again = read_stats(str(tmp_path / "t"))
    for name in ("count", "total", "scatter"):
        a, b = getattr(stats, name), getattr(again, name)
        assert np.abs(a - b).max() < 1e-5 * np.abs(a).max()
    assert (tmp_path / "t").read_text().startswith("<LDAACCS> <VECSIZE> 5 <NUMCLASSES> 12 <ZERO_ACCS>")


def test_covariances_are_those_of_the_frames(rng):
    stats, x, label = stats_of(rng)
    total, between = stats.covariances()
    assert np.allclose(total, np.cov(x.T, bias=True))
    means = np.array([x[label == c].mean(0) for c in range(12)])[label]
    assert np.allclose(between, np.cov(means.T, bias=True))
    assert np.allclose(stats.mean(), x.mean(0))


def test_the_transformed_frames_have_mean_zero_and_the_variance_promised(rng):
    stats, x, label = stats_of(rng, frames=2000)
    m = feature_transform(stats, within_class_factor=0.01, max_singular_value=0)
    y = np.hstack([x, np.ones((len(x), 1))]) @ m.T
    between = np.cov(np.array([y[label == c].mean(0) for c in range(12)])[label].T, bias=True)
    covariance = np.cov(y.T, bias=True)
    assert np.abs(y.mean(0)).max() < 1e-3
    assert np.allclose(covariance, np.diag(np.diag(covariance)), atol=1e-3)
    v = np.diag(between) / np.diag(covariance - between)  # between-class variance over within-class variance
    assert np.allclose(np.diag(covariance), 0.01 + v, rtol=1e-2)


def test_singular_values_are_limited_and_the_offset_can_be_left_out(rng):
    stats, _, _ = stats_of(rng)
    told = []
    m = feature_transform(stats, max_singular_value=0.1, remove_offset=False, log=told.append)
    assert m.shape == (5, 5) and np.linalg.svd(m)[1].max() < 0.1 + 1e-6
    assert any("Applied ceiling to" in line for line in told) and told[0] == "Data count is 400"


def test_a_singular_within_class_covariance_is_smoothed(rng):
    _, x, label = stats_of(rng)
    flat = LdaStats.zeros(12, 6)
    flat.accumulate(np.hstack([x, np.zeros((len(x), 1))]), label, np.ones(len(x)))
    told = []
    assert np.isfinite(feature_transform(flat, log=told.append)).all()
    assert "Cholesky failed" in told[0]


def test_the_transform_needs_no_svd_that_converges(rng, monkeypatch):
    stats, _, _ = stats_of(rng, classes=3)  # a between-class covariance of rank 2
    expected = feature_transform(stats, max_singular_value=0.1)

    def fail(m, full_matrices=True):
        raise np.linalg.LinAlgError("SVD did not converge")

    monkeypatch.setattr(np.linalg, "svd", fail)
    again = feature_transform(stats, max_singular_value=0.1)
    np.testing.assert_allclose(again, expected, atol=1e-6)


@pytest.mark.parametrize("factor", [0.0, 0.001])
def test_fewer_classes_than_dimensions_leave_a_finite_transform(factor, rng):
    stats, _, _ = stats_of(rng, classes=2, dim=8)
    m = feature_transform(stats, within_class_factor=factor)
    assert np.isfinite(m).all()
    sizes = np.linalg.norm(m[:, :-1], axis=1)
    assert sizes[0] > 10 * sizes[1:].max()  # one direction divides two classes


def test_statistics_without_a_transform_are_refused(rng):
    with pytest.raises(ValueError, match="hold no frames"):
        feature_transform(LdaStats.zeros(3, 2))
    with pytest.raises(ValueError, match="--dim=6 is more than the 5 dimensions"):
        feature_transform(stats_of(rng)[0], dim=6)
    one = LdaStats.zeros(1, 2)
    one.accumulate(np.ones((1, 2)), np.zeros(1, int), np.ones(1))
    with pytest.raises(ValueError, match="not positive definite"):
        feature_transform(one)


def test_jobs_are_summed(rng, tmp_path):
    parts = [stats_of(rng)[0] for _ in range(3)]
    for i, part in enumerate(parts):
        write_stats(part, str(tmp_path / str(i)))
    total = sum_stats(str(tmp_path / str(i)) for i in range(3))
    assert np.allclose(total.total, sum(p.total for p in parts)) and total.count.sum() == 1200
    with pytest.raises(ValueError, match="12 classes of dimension 5 against 12 of 4"):
        total += stats_of(rng, dim=4)[0]
    with pytest.raises(ValueError, match="no LDA statistics to sum"):
        sum_stats([])


def test_unknown_classes_are_refused():
    with pytest.raises(ValueError, match=r"class 3 is not in 0 \.\.\. 2"):
        LdaStats.zeros(3, 2).accumulate(np.ones((1, 2)), np.array([3]), np.ones(1))


def test_random_pruning_keeps_the_expectation_and_large_weights(rng):
    weight = np.full(20000, 0.5, np.float32)
    pruned = random_prune(weight, 4.0, rng)
    assert set(np.unique(pruned)) == {0, 4} and abs(pruned.mean() - 0.5) < 0.03 and pruned.dtype == np.float32
    assert random_prune(np.array([5, -5, 0], np.float32), 4.0, rng).tolist() == [5, -5, 0]
    assert set(np.unique(random_prune(-weight, 4.0, rng))) == {-4, 0}
    assert random_prune(weight, 0.0, rng) is weight


def test_dense_and_sparse_targets_give_the_same_statistics(rng):
    output = rng.standard_normal((2, 3, 4)).astype(np.float32)
    y = rng.random((2, 3, 5)).astype(np.float32) * (rng.random((2, 3, 5)) < 0.4)
    t, n, c = np.nonzero(y)
    stats = [LdaStats.zeros(5, 4) for _ in range(2)]
    for s, target in zip(stats, (DenseTarget((0, 1), y), SparseTarget((0, 1), 5, t, n, c, y[t, n, c]))):
        s.add_output(output, target, 0.0, rng)
    assert np.allclose(stats[0].total, stats[1].total) and stats[0].count.sum() == pytest.approx(y.sum())
    expected = sum(y[i, j, k] * np.outer(output[i, j], output[i, j]) for i, j, k in zip(t, n, c))
    assert np.allclose(stats[0].scatter, expected)


def test_statistics_of_a_network_are_those_of_its_outputs(rng):
    egs = [frame_example(rng, labels=3 + i % 2, left=1, right=1) for i in range(7)]
    stats, count = output_stats(spliced(), egs)
    expected = LdaStats.zeros(5, 9)
    for eg in egs:
        x, y = eg.io[0].features, eg.io[1].features
        frames = [np.hstack(x[t : t + 3]) for t in range(y.rows)]
        expected.accumulate(np.array(frames), y.indices, y.values)
    assert count == 7
    for name in ("count", "total", "scatter"):
        assert np.allclose(getattr(stats, name), getattr(expected, name))


def test_no_examples_give_no_statistics_and_others_must_have_an_output(rng):
    assert output_stats(spliced(), []) == (None, 0)
    eg = frame_example(rng, left=1, right=1)
    eg.io[1].name = "output-2"
    with pytest.raises(ValueError, match="io 'output-2', but the network has no such"):
        output_stats(spliced(), [eg])


@pytest.mark.parametrize("text, message", [
    ("<LDAACCS> <VECSIZE> -1 <NUMCLASSES> 2 ", "statistics of dimension -1 for 2 classes"),
    ("<LDAACCS> <VECSIZE> 1 <NUMCLASSES> 2 <ZERO_ACCS>  [ 1 1 ]\n<FIRST_ACCS>  [\n 1\n 2 ]\n"
     "<SECOND_ACCS> [\n1 \n1 2 ]\n</LDAACCS> ",
     r"statistics for 2 classes and dimension 1 have the shapes \(2,\), \(2, 1\), \(2, 2\)"),
    ("<LDAACCS> <VECSIZE> 1 <NUMCLASSES> 1 <ZERO_ACCS>  [ 1 ]\n<FIRST_ACCS>  [\n 1 ]\n"
     "<SECOND_ACCS> [\n1 2 ]\n</LDAACCS> ", "2 numbers are no lower triangle"),
    ("<LDAACCS> <VECSIZE> 1 <NUMCLASSES> 1 <FIRST_ACCS> ", "expected <ZERO_ACCS>, found <FIRST_ACCS>"),
])  # fmt: skip
def test_damaged_statistics_are_refused_with_the_file_and_the_place(tmp_path, text, message):
    (tmp_path / "bad.acc").write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read_stats(str(tmp_path / "bad.acc"))
    assert "bad.acc, byte" in str(error.value)


def test_truncated_statistics_are_refused(tmp_path):
    data = (GOLDEN / "stats.acc").read_bytes()
    for size in (1, 30, 300, len(data) - 40, len(data) - 3):
        (tmp_path / "cut").write_bytes(data[:size])
        with pytest.raises(ValueError, match="cut, byte"):
            read_stats(str(tmp_path / "cut"))

"""Objectives at one output: values by hand, derivatives against differences, accuracies."""

from __future__ import annotations

import numpy as np
import pytest

from nnet.backend import to_device, to_host
from nnet.minibatch import DenseTarget, SparseTarget
from nnet.objectives import linear, quadratic
from nnet.objectives.frame import accuracy, dense
from tests.nnet.test_backend import DeviceArray, cupy  # noqa: F401 - a fixture

T, N, D = 3, 4, 5


@pytest.fixture
def output(rng) -> np.ndarray:
    return rng.standard_normal((T, N, D))


@pytest.fixture
def sparse(rng) -> SparseTarget:
    """Two classes in most rows, none in the first."""
    entries = [(t, n, c) for t in range(T) for n in range(N) for c in sorted(rng.permutation(D)[:2])][2:]
    t, n, column = (np.array(x) for x in zip(*entries))
    return SparseTarget(tuple(range(T)), D, t, n, column, rng.random(len(t)).astype(np.float32))


def as_dense(target: SparseTarget) -> DenseTarget:
    values = np.zeros((T, N, D))
    values[target.t, target.n, target.column] = target.weight
    return DenseTarget(target.frames, values)


@pytest.mark.parametrize("objective", [linear, quadratic])
def test_dense_and_sparse_targets_score_alike(objective, output, sparse):
    a, b = objective(output, sparse), objective(output, as_dense(sparse))
    assert (a.total, a.weight) == pytest.approx((b.total, b.weight))
    np.testing.assert_allclose(a.derivative, b.derivative)
    assert objective(output, sparse, False).derivative is None
    assert objective(output, as_dense(sparse), False).derivative is None


@pytest.mark.parametrize("objective", [linear, quadratic])
def test_the_derivative_is_that_of_the_total(objective, output, sparse, rng):
    value, direction, step = objective(output, sparse), rng.standard_normal(output.shape), 1e-6
    plus, minus = (objective(output + s * step * direction, sparse).total for s in (1, -1))
    assert (value.derivative * direction).sum() == pytest.approx((plus - minus) / (2 * step), rel=1e-6)


def test_the_linear_objective_is_the_sum_of_weighed_outputs(output, sparse):
    value = linear(output, sparse)
    expected = sum(
        w * output[t, n, c] for t, n, c, w in zip(sparse.t, sparse.n, sparse.column, sparse.weight)
    )
    assert value.total == pytest.approx(expected) and value.weight == pytest.approx(
        sparse.weight.sum(), rel=1e-6
    )


def test_the_derivative_may_be_overwritten_and_the_target_stays(output, sparse):
    target = as_dense(sparse)
    derivative = linear(output, target).derivative
    assert np.array_equal(derivative, target.values)
    assert not np.shares_memory(derivative, target.values)


def test_the_quadratic_objective_counts_rows(output):
    target = DenseTarget(tuple(range(T)), np.ones((T, N, D)))
    value = quadratic(output, target)
    assert value.weight == T * N and value.total == pytest.approx(-0.5 * ((1 - output) ** 2).sum())


@pytest.mark.parametrize("objective", [linear, quadratic])
def test_another_dim_is_refused_with_both(objective, output, sparse):
    for target in (sparse, as_dense(sparse)):
        with pytest.raises(ValueError, match="output has dim 6, the examples' labels have 5"):
            objective(np.zeros((T, N, 6)), target)


def test_accuracies_are_by_class_and_weighed_by_rows(output, sparse):
    for target in (sparse, as_dense(sparse)):
        weighed, right = accuracy(output, target)
        values = dense(target, output)
        expected_weighed, expected_right = np.zeros(D), np.zeros(D)
        for row, y in zip(values.reshape(-1, D), output.reshape(-1, D)):
            expected_weighed[row.argmax()] += row.sum()
            expected_right[row.argmax()] += row.sum() * (row.argmax() == y.argmax())
        np.testing.assert_allclose(weighed, expected_weighed, rtol=1e-6)
        np.testing.assert_allclose(right, expected_right, rtol=1e-6)


def test_of_equal_weights_the_lowest_class_counts(output):
    target = SparseTarget((0,), D, np.zeros(3, int), np.zeros(3, int), np.array([1, 2, 4]), np.ones(3) / 3)
    weighed, _ = accuracy(output[:1, :1], target)
    np.testing.assert_allclose(weighed, [0, 1, 0, 0, 0])


def test_accuracies_come_to_the_host(output, sparse, cupy):  # noqa: F811
    there = DenseTarget(tuple(range(T)), DeviceArray(as_dense(sparse).values))
    weighed, right = accuracy(DeviceArray(output), there)
    assert type(weighed) is np.ndarray is type(right)
    np.testing.assert_allclose((weighed, right), accuracy(output, as_dense(sparse)))


@pytest.mark.parametrize("integer", [np.int32, np.int64])
def test_labels_on_a_device_score_alike(emulated, output, sparse, integer):
    y = output.astype(np.float32)
    indexes = (a.astype(integer) for a in (sparse.t, sparse.n, sparse.column))
    target = SparseTarget(sparse.frames, D, *indexes, sparse.weight)
    host, there = linear(y, target), linear(to_device(y), target)
    assert float(there.total) == pytest.approx(float(host.total), rel=1e-6) and there.weight == host.weight
    assert np.array_equal(to_host(there.derivative), host.derivative)

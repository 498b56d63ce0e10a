"""Log-softmax and labels: numpy's body against the formula, the kernels against numpy's body."""

from __future__ import annotations

import numpy as np
import pytest

from nnet.backend import to_device, to_host
from nnet.kernels import softmax
from tests.checks import STEP, agree
from tests.emulation.device import transfers

SHAPES = [(1, 1, 1), (2, 3, 5), (2, 2, 300), (1, 3, 513)]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_host_does_what_the_formula_says(rng, host, shape):
    x, dy = rng.standard_normal(shape) * 9, rng.standard_normal(shape)
    y = softmax.log_softmax(x)
    p = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    np.testing.assert_allclose(y, np.log(p), atol=1e-12)
    dx = softmax.log_softmax_backward(dy, y)
    np.testing.assert_allclose(dx, dy - p * dy.sum(-1, keepdims=True), atol=1e-12)


@pytest.mark.parametrize("rows", [1, 3, 300])
def test_the_derivative_may_take_the_place_of_the_one_it_is_made_from(rng, host, rows):
    y, dy = rng.standard_normal((2, rows, 2, 513)).astype(np.float32)
    expected = softmax.log_softmax_backward(dy, y)
    assert softmax.log_softmax_backward(dy, y, out=dy) is dy
    np.testing.assert_array_equal(dy, expected)


@pytest.mark.parametrize("spread", [1e-3, 1, 30, 200])
def test_single_precision_is_close_to_double(rng, host, spread):
    x, dy = (rng.standard_normal((20, 7, 531)).astype(np.float32) * s for s in (spread, 1))
    y, exact = softmax.log_softmax(x), softmax.log_softmax(x.astype(float))
    np.testing.assert_allclose(y, exact, rtol=1e-6, atol=1e-6)
    dx = softmax.log_softmax_backward(dy, y)
    assert y.dtype == dx.dtype == np.float32
    np.testing.assert_allclose(dx, softmax.log_softmax_backward(dy.astype(float), y.astype(float)), atol=1e-4)


def test_a_row_with_what_is_not_a_number_has_nothing_else(host):
    x = np.zeros((1, 3, 40), np.float32)
    x[0, 1, 5], x[0, 2, 6] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        y = softmax.log_softmax(x)
    assert np.isfinite(y[0, 0]).all() and np.isnan(y[0, 1]).all() and not np.isfinite(y[0, 2]).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_kernels_do_what_numpy_does(rng, device, shape, dtype):
    x, dy = (rng.standard_normal(shape).astype(dtype) * 9 for _ in range(2))
    y = softmax.log_softmax(x)
    tolerance = 1e-6 if dtype == np.float32 else 1e-14
    np.testing.assert_allclose(to_host(softmax.log_softmax(to_device(x))), y, atol=30 * tolerance)
    dx = softmax.log_softmax_backward(dy, y)
    there = softmax.log_softmax_backward(to_device(dy), to_device(y))
    np.testing.assert_allclose(to_host(there), dx, atol=100 * tolerance * np.abs(dx).max())


@pytest.mark.parametrize("labels", [0, 1, 700])
def test_labels_are_summed_and_are_the_derivative(rng, device, labels):
    y = rng.standard_normal((20, 4, 10)).astype(np.float32)
    at = rng.permutation(y.size)[:labels]
    weight = rng.random(labels).astype(np.float32)
    total, derivative = softmax.labelled(y, at, weight)
    expected = np.zeros(y.size, np.float32)
    expected[at] = weight
    assert np.array_equal(derivative.ravel(), expected)
    np.testing.assert_allclose(total, float(expected @ y.ravel().astype(float)), rtol=1e-5, atol=1e-6)
    ours, there = softmax.labelled(*(to_device(a) for a in (y, at, weight)))
    assert np.array_equal(to_host(there), derivative)
    np.testing.assert_allclose(to_host(ours), total, rtol=1e-5, atol=1e-6)
    alone, none = softmax.labelled(*(to_device(a) for a in (y, at, weight)), with_derivative=False)
    assert none is None and to_host(alone) == to_host(ours)
    assert softmax.labelled(y, at, weight, with_derivative=False) == (total, None)


def test_scoring_makes_no_derivative(rng, monkeypatch):
    """An array as large as the output is not made to be thrown away."""
    monkeypatch.setattr(np, "zeros_like", lambda y: pytest.fail("a derivative was made"))
    y, at = rng.standard_normal((2, 3, 4)), np.array([1, 5])
    assert softmax.labelled(y, at, np.ones(2), with_derivative=False)[0] == y.ravel()[at].sum()


def labels(rng, rows, columns, count, dtype):
    """Places of rising rows, columns in any order, and weights: several in some rows, none in others."""
    at = rng.permutation(rows * columns)[:count]
    at = at[np.argsort(at // columns, kind="stable")]
    return at, rng.random(count).astype(dtype)


CASES = [(1, 1, 1), (6, 5, 0), (6, 5, 30), (7, 300, 5), (4, 513, 40)]


@pytest.mark.parametrize(("rows", "columns", "count"), CASES)
def test_cross_entropy_is_one_launch_with_the_numbers_of_three(rng, device, rows, columns, count):
    """Derivatives to the bit: the same formula in the same precision; float32 weights add up exactly."""
    x = rng.standard_normal((rows, 1, columns)).astype(np.float32) * 9
    at, weight = (to_device(a) for a in labels(rng, rows, columns, count, np.float32))
    y = softmax.log_softmax(to_device(x))
    expected, dy = softmax.labelled(y, at, weight)
    expected_dx = softmax.log_softmax_backward(dy, y)
    there = to_device(x)
    transfers.clear()
    total, dx = softmax.cross_entropy(there, at, weight)
    assert transfers == {"launches": 1}
    assert np.array_equal(to_host(dx), to_host(expected_dx)) and np.array_equal(to_host(there), x)
    assert float(total) == pytest.approx(float(expected), rel=1e-6) and total.dtype == np.float64
    again, dx_again = softmax.cross_entropy(there, at, weight)
    assert float(again) == float(total) and np.array_equal(to_host(dx_again), to_host(dx))


@pytest.mark.parametrize(("rows", "columns", "count"), CASES)
def test_cross_entropy_on_a_device_is_that_of_the_host(rng, device, rows, columns, count):
    x = rng.standard_normal((rows, 1, columns)) * 9
    at, weight = labels(rng, rows, columns, count, x.dtype)
    total, dx = softmax.cross_entropy(x, at, weight)
    there, dx_there = softmax.cross_entropy(*(to_device(a) for a in (x, at, weight)))
    assert float(there) == pytest.approx(total, rel=1e-13)
    np.testing.assert_allclose(to_host(dx_there), dx, atol=1e-13)


@pytest.mark.parametrize("move", [np.asarray, to_device], ids=["host", "device"])
@pytest.mark.parametrize("count", [1, 7, 60])
def test_the_derivative_of_cross_entropy_is_that_of_its_value(rng, device, move, count):
    x, d = rng.standard_normal((2, 4, 3, 19))
    at, weight = (move(a) for a in labels(rng, 12, 19, count, x.dtype))
    dx = to_host(softmax.cross_entropy(move(x), at, weight)[1])
    plus, minus = (float(softmax.cross_entropy(move(x + s * STEP * d), at, weight)[0]) for s in (1, -1))
    agree("x", float((dx * d).sum()), (plus - minus) / (2 * STEP), 1e-5)


def test_rows_that_are_not_numbers_spoil_value_and_derivative(device):
    x = np.zeros((3, 1, 40), np.float32)
    x[1, 0, 5] = np.nan
    total, dx = softmax.cross_entropy(to_device(x), to_device(np.array([3, 50])), to_device(np.ones(2, "f")))
    assert np.isnan(float(total))
    assert np.isnan(to_host(dx)[1]).all() and np.isfinite(to_host(dx)[[0, 2]]).all()


@pytest.mark.parametrize("count", [0, 5, 700])
def test_squares_of_labels_are_summed_by_column(rng, device, count):
    column, weight = rng.integers(0, 11, count), rng.random(count).astype(np.float32)
    expected = [float(np.square(weight[column == j], dtype=float).sum()) for j in range(11)]
    for move in (np.asarray, to_device):
        squares = to_host(softmax.label_squares(move(column), move(weight), 11))
        np.testing.assert_allclose(squares, expected, rtol=1e-12)

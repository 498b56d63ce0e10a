"""Batch normalisation: numpy's body against the formula, the kernels against numpy's body."""

import numpy as np
import pytest

from nnet.backend import to_device, to_host
from nnet.kernels import normalise

SHAPES = [(1, 1), (5, 3), (300, 33), (700, 64), (256, 32)]
SETTINGS = 1e-3, 0.7


def close(ours, theirs, tolerance=2e-6):
    np.testing.assert_allclose(to_host(ours), theirs, atol=tolerance * max(1.0, np.abs(theirs).max()))


def rows(rng, shape):
    return (rng.standard_normal(shape) * 2 + 1).astype(np.float32)


@pytest.mark.parametrize("shape", [*SHAPES, (140, 1200)])
def test_the_host_does_what_the_formula_says(rng, host, shape):
    x = rng.standard_normal(shape)
    y, moments = normalise.forward(x, *SETTINGS)
    np.testing.assert_allclose(y, (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3) * 0.7, atol=1e-12)
    np.testing.assert_allclose(moments.mean_square, (x * x).mean(0))


@pytest.mark.parametrize("shape", [(5, 3), (300, 33), (140, 1200)])
def test_the_derivative_is_that_of_the_formula(rng, host, shape):
    x, dy = rng.standard_normal(shape), rng.standard_normal(shape)
    y, moments = normalise.forward(x, *SETTINGS)
    expected = (dy - dy.mean(0) - y * (y * dy).mean(0) / 0.7**2) * moments.scale
    np.testing.assert_allclose(normalise.backward(dy, x, moments, 0.7), expected, atol=1e-10)


@pytest.mark.parametrize("shape", SHAPES)
def test_single_precision_is_close_to_double(rng, host, shape):
    x, dy = rows(rng, shape), rows(rng, shape)
    y, moments = normalise.forward(x, *SETTINGS)
    dx = normalise.backward(dy, x, moments, 0.7)
    exact, held = normalise.forward(x.astype(float), *SETTINGS)
    assert y.dtype == dx.dtype == moments.mean.dtype == np.float32
    close(y, exact, 1e-5 if len(x) > 1 else 1e-3)
    close(moments.mean_square, held.mean_square)
    if len(x) > 1:
        close(dx, normalise.backward(dy.astype(float), x.astype(float), held, 0.7), 1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_kernels_do_what_numpy_does(rng, device, shape):
    x, dy = rows(rng, shape), rows(rng, shape)
    y, moments = normalise.forward(x, *SETTINGS)
    there, held = normalise.forward(to_device(x), *SETTINGS)
    close(there, y, 1e-5)
    for name in ("mean", "mean_square"):
        close(getattr(held, name), getattr(moments, name))
    np.testing.assert_allclose(to_host(held.scale), moments.scale, rtol=1e-4)
    dx = normalise.backward(dy, y, moments, 0.7)
    there = normalise.backward(to_device(dy), to_device(y), held, 0.7)
    np.testing.assert_allclose(to_host(there), dx, atol=1e-4 * np.abs(dx).max() + 1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_bias_and_relu_go_along(rng, device, shape):
    x, b = rows(rng, shape) - 1, rng.standard_normal(shape[1]).astype(np.float32)
    relu, there = x.copy(), to_device(x)
    y, moments = normalise.bias_relu_forward(relu, b, *SETTINGS)
    assert np.array_equal(relu, np.maximum(x + b, 0))
    ours, held = normalise.bias_relu_forward(there, to_device(b), *SETTINGS)
    assert np.array_equal(to_host(there), relu)
    np.testing.assert_allclose(to_host(ours), y, atol=1e-5 * max(1, np.abs(y).max()))
    close(held.mean_square, moments.mean_square)


@pytest.mark.parametrize("shape", [*SHAPES, (140, 1200)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_on_the_host_they_change_nothing_that_follows(rng, host, shape, dtype):
    x, b = (rows(rng, shape) - 1).astype(dtype), rng.standard_normal(shape[1]).astype(dtype)
    relu = x.copy()
    y, moments = normalise.bias_relu_forward(relu, b, *SETTINGS)
    assert np.array_equal(relu, np.maximum(x + b, 0))
    apart, held = normalise.forward(np.maximum(x + b, 0), *SETTINGS)
    assert np.array_equal(y, apart) and np.array_equal(moments.mean_square, held.mean_square)


def test_what_is_not_a_number_stays_so_on_the_host(host):
    x = np.array([[np.nan, -1.0], [1.0, 2.0]], np.float32)
    y, _ = normalise.bias_relu_forward(x, np.zeros(2, np.float32), *SETTINGS)
    assert np.isnan(x[0, 0]) and np.isnan(y[:, 0]).all() and np.isfinite(y[:, 1]).all()


def test_what_is_not_a_number_stays_so(device):
    x = np.array([[np.nan, -1.0], [1.0, 2.0]], np.float32)
    there = to_device(x)
    y, _ = normalise.bias_relu_forward(there, to_device(np.zeros(2, np.float32)), *SETTINGS)
    assert np.isnan(to_host(y)[:, 0]).all() and np.isfinite(to_host(y)[:, 1]).all()

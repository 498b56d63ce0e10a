"""Sums of products over rows and columns: numpy's body and the kernels against the formula."""

import numpy as np
import pytest

from nnet.backend import to_device, to_host
from nnet.kernels import sums
from nnet.kernels.sums import column_activity, column_products, column_totals, sumsq

SHAPES = [(1, 1), (5, 3), (300, 33), (3, 700)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_kernels_do_what_numpy_and_the_formula_do(rng, device, shape, dtype):
    a, b = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-12}
    for ours, expected in (
        (sums.row_products, (a * b).sum(axis=1)),
        (sums.column_products, (a * b).sum(axis=0)),
        (lambda a, b: sums.column_sums(a), a.sum(axis=0)),
    ):
        there = ours(to_device(a), to_device(b))
        assert there.dtype == dtype and there.shape == expected.shape
        np.testing.assert_allclose(ours(a, b), expected, **tolerance)
        np.testing.assert_allclose(to_host(there), expected, **tolerance)


def test_rows_may_lie_apart_and_columns_scattered(rng, device):
    x = rng.standard_normal((40, 12)).astype(np.float32)
    there = to_device(x)
    for part in (np.s_[:, 3:9], np.s_[::2, :], np.s_[:, ::2]):
        np.testing.assert_allclose(
            to_host(sums.row_products(there[part], there[part])), (x[part] ** 2).sum(1), rtol=1e-5
        )
        np.testing.assert_allclose(to_host(sums.column_sums(there[part])), x[part].sum(0), atol=1e-5)


HOST_SHAPES = [(1, 1), (5, 3), (131, 7), (300, 513), (1030, 64)]
TYPES = [np.float32, np.float64]


def rows(rng, shape, dtype):
    return (rng.standard_normal(shape) * 2 + 1).astype(dtype)


def close(ours, exact, dtype, scale):
    np.testing.assert_allclose(to_host(ours), exact, atol=(1e-6 if dtype == np.float32 else 1e-14) * scale)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", HOST_SHAPES)
def test_products_of_columns(rng, host, shape, dtype):
    a, b = rows(rng, shape, dtype), rows(rng, shape, dtype)
    total, product = column_totals(a, b)
    a, b = a.astype(float), b.astype(float)
    close(total, a.sum(0), dtype, np.abs(a).sum(0).max())
    for ours in (product, column_products(a.astype(dtype), b.astype(dtype))):
        close(ours, (a * b).sum(0), dtype, np.abs(a * b).sum(0).max())


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", HOST_SHAPES)
def test_activity_of_columns(rng, host, shape, dtype):
    y = np.maximum(rows(rng, shape, dtype), 0)
    total, positive = column_activity(y)
    close(total, y.sum(0, dtype=float), dtype, y.sum(0, dtype=float).max())
    assert np.array_equal(positive, (y > 0).sum(0))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", HOST_SHAPES)
def test_squares_of_views(rng, host, shape, dtype):
    x = rows(rng, (shape[0] * 2, shape[1] + 5), dtype)
    for view in (x, x[1::2, 2:], x[:, ::2], x.T, x[:0]):
        exact = (view.astype(float) ** 2).sum()
        total = sumsq(view)
        assert total.dtype == np.float64
        close(total, exact, dtype, exact)


def test_the_same_array_gives_the_same_bits_wherever_it_lies(rng, host):
    x = rows(rng, (300, 100), np.float32)
    shifted = np.empty(x.size + 1, np.float32)[1:].reshape(x.shape)
    shifted[:] = x
    assert sumsq(x) == sumsq(shifted)
    assert all(np.array_equal(*pair) for pair in zip(column_totals(x, x), column_totals(shifted, shifted)))


def test_what_is_not_a_number_is_not_lost(host):
    x = np.array([[1, np.nan], [np.inf, 2]], np.float32)
    assert np.isnan(sumsq(x))
    total, product = column_totals(x, x)
    assert total[0] == product[0] == np.inf and np.isnan(total[1]) and np.isnan(product[1])


def test_on_a_device(rng, emulated):
    x = rows(rng, (40, 9), np.float32)
    there = to_device(x)
    pairs = [
        *zip(column_activity(there), column_activity(x)),
        *zip(column_totals(there, there), column_totals(x, x)),
    ]
    for ours, theirs in pairs:
        np.testing.assert_allclose(to_host(ours), theirs, rtol=1e-5)
    np.testing.assert_allclose(to_host(sumsq(there)), sumsq(x), rtol=1e-6)

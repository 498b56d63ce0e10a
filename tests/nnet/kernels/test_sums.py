"""Sums of products over rows and columns: numpy's body and the kernels against the formula."""

import numpy as np
import pytest

from nnet.backend import to_device, to_host
from nnet.kernels import sums

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

"""Sums of gathered rows are a sparse matrix product."""

import numpy as np
import pytest

from nnet.kernels.gather_sum import LONGEST, GatherSum, gather


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("entries", [0, 1, 40, 5 * LONGEST + 3])
@pytest.mark.parametrize("rows", [1, 7])
def test_it_is_the_product_with_a_matrix(rng, entries, rows, weighted):
    r, c = rng.integers(rows, size=entries), rng.integers(5, size=entries)
    w = rng.standard_normal(entries) if weighted else None
    dense = np.zeros((rows, 5))
    np.add.at(dense, (r, c), 1.0 if w is None else w)
    x = rng.standard_normal((5, 3))
    np.testing.assert_allclose(GatherSum(r, c, w, rows)(x), dense @ x, atol=1e-12)


def test_the_type_is_that_of_the_input(rng):
    product = GatherSum(np.array([0, 0]), np.array([1, 0]), np.array([0.5, 2.0]), 1)
    for dtype in (np.float32, np.float64):
        y = product(np.ones((2, 4), dtype))
        assert y.dtype == dtype and y.tolist() == [[2.5] * 4]


def test_gathering_is_indexing(rng):
    x = rng.standard_normal((4, 2))
    assert np.array_equal(gather(x, np.array([3, 0, 3])), x[[3, 0, 3]])

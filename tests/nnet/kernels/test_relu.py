"""The rectifier backwards, by both bodies, bit by bit."""

import numpy as np
import pytest

from nnet.kernels import relu


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (300, 2, 513), (0, 2, 3)])
def test_derivatives_pass_where_the_output_is_positive(rng, host, shape, dtype):
    y, dy = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    y = np.maximum(y, 0)
    dx = relu.backward(dy, y)
    assert dx.dtype == dtype
    assert np.array_equal(dx, np.where(y > 0, dy, 0))


def test_what_is_not_a_number_stays_so(host):
    y = np.array([[[0, 1, 0, np.nan]]], np.float32)
    dy = np.array([[[np.nan, np.inf, np.inf, 1]]], np.float32)
    with np.errstate(invalid="ignore"):
        dx = relu.backward(dy, y)
    np.testing.assert_array_equal(dx, [[[np.nan, np.inf, np.nan, 0]]])

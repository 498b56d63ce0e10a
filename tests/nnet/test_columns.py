"""Rows in several arrays: every product is that with the matrix put together."""

import numpy as np
import pytest

from nnet.columns import NARROW, Columns, Windows

STARTS = [(0,), (0, 3), (3, 0), (0, 2, 5), (0, 30), (0, 0, 4)]


@pytest.mark.parametrize("ones", [False, True])
@pytest.mark.parametrize("starts", STARTS)
@pytest.mark.parametrize("rank", [1, 7, NARROW + 1])
def test_windows_of_an_array_are_columns_as_any_others(rng, starts, ones, rank):
    x = rng.standard_normal((60, 9))
    windows = Windows(x, starts, 20)
    columns = Columns(windows, ones)
    dense = np.concatenate([*(x[s : s + 20] for s in starts), np.ones((20, int(ones)))], axis=1)
    assert np.array_equal(columns.dense(), dense) and columns.shape == dense.shape
    W, H = rng.standard_normal((rank, dense.shape[1])), rng.standard_normal((20, rank))
    np.testing.assert_allclose(columns.times(W), dense @ W.T, atol=1e-12)
    np.testing.assert_allclose(columns.under(H), H.T @ dense, atol=1e-12)
    np.testing.assert_allclose(columns.sumsq(), (dense**2).sum(), rtol=1e-13)


def test_rows_are_read_once_only_where_windows_share_most_of_them(rng):
    x = rng.standard_normal((60, 9))
    assert [Windows(x, starts, 20).pay for starts in STARTS] == [False, True, True, True, False, True]


def test_a_norm_in_single_precision_is_no_worse_for_the_sharing(rng):
    x = (rng.standard_normal((3000, 40)) + 3).astype(np.float32)
    windows = Windows(x, (0, 96), 2800)
    exact = sum((view.astype(float) ** 2).sum() for view in windows.views())
    assert windows.sumsq() == pytest.approx(exact, rel=1e-7)

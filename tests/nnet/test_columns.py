"""Rows in several arrays: every product is that with the matrix put together."""

import numpy as np
import pytest

from nnet import columns
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


@pytest.mark.parametrize("ones", [False, True])
@pytest.mark.parametrize("starts", [None, *STARTS])
@pytest.mark.parametrize("rank", [1, 7])
def test_columns_in_bfloat16_are_the_same_to_eight_bits(rng, monkeypatch, starts, ones, rank):
    monkeypatch.setattr(columns, "pays", lambda: True)
    x = rng.standard_normal((60, 9)).astype(np.float32)
    blocks = Windows(x, starts, 20) if starts else (x[:20], x[40:, 2:7])
    exact = Columns(blocks, ones)
    narrow = exact.narrow()
    W = rng.standard_normal((rank, exact.shape[1])).astype(np.float32)
    bound = 2**-7 * np.abs(exact.dense()) @ np.abs(W).T
    assert (np.abs(narrow.times(W) - exact.times(W)) <= bound).all()
    assert narrow.energy == pytest.approx(exact.sumsq(), rel=1e-6)


def test_columns_stay_as_they_are_where_bfloat16_does_not_pay_or_is_too_little(rng, monkeypatch):
    x = rng.standard_normal((60, 9))
    monkeypatch.setattr(columns, "pays", lambda: True)
    assert Columns((x,)).narrow() is None
    monkeypatch.setattr(columns, "pays", lambda: False)
    assert Columns((x.astype(np.float32),)).narrow() is None

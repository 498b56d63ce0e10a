"""LSTM and GRU cells: the kernels do what numpy does, which gradient checks of the components hold right."""

import numpy as np
import pytest

from nnet.backend import to_device, to_host
from nnet.kernels import gates

T, N = 2, 3


def normal(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def same(ours, theirs):
    np.testing.assert_allclose(to_host(ours), theirs, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("repairs", [False, True])
@pytest.mark.parametrize("use_dropout", [False, True])
@pytest.mark.parametrize("C", [1, 7, 150])
def test_the_lstm_kernels_do_what_numpy_does(rng, device, C, use_dropout, repairs):
    x = normal(rng, T, N, 5 * C + 3 * use_dropout)
    if use_dropout:
        x[..., 5 * C :] = rng.integers(0, 2, (T, N, 3))
    W, dy = normal(rng, 3, C), normal(rng, T, N, 2 * C)
    repair = np.abs(normal(rng, 5, C)) if repairs else None
    v, y = gates.lstm_forward(x, W, use_dropout)
    wide = to_device(normal(rng, T, N, x.shape[2] + 4))  # the cell's input lies in wider rows
    wide[:, :, 2:-2] = to_device(x)
    v_there, y_there = gates.lstm_forward(wide[:, :, 2:-2], to_device(W), use_dropout)
    same(v_there, v)
    same(y_there, y)
    dx = gates.lstm_backward(dy, v, x[..., 4 * C :], W, use_dropout, repair)
    there = None if repair is None else to_device(repair)
    arrays = to_device(dy), v_there, wide[:, :, 2 + 4 * C : -2], to_device(W)
    same(gates.lstm_backward(*arrays, use_dropout, there), dx)
    assert dx.shape == x.shape and not dx[..., 5 * C :].any()


@pytest.mark.parametrize("C", [1, 7, 150])
def test_the_gru_kernels_do_what_numpy_does(rng, device, C):
    a, x, dy = normal(rng, T, N, C), normal(rng, T, N, 3 * C), normal(rng, T, N, 2 * C)
    y = gates.gru_forward(a, x[..., :C], x[..., 2 * C :])
    far = to_device(x)
    there = gates.gru_forward(to_device(a), far[..., :C], far[..., 2 * C :])
    same(there, y)
    dx, dx_there = np.zeros_like(x), to_device(np.zeros_like(x))
    da = gates.gru_backward(dy, y, x[..., :C], x[..., 2 * C :], dx[..., :C], dx[..., 2 * C :])
    views = far[..., :C], far[..., 2 * C :], dx_there[..., :C], dx_there[..., 2 * C :]
    same(gates.gru_backward(to_device(dy), there, *views), da)
    same(dx_there, dx)
    same(gates.gru_da(dy, y, x[..., :C]), da)


def test_rows_that_are_not_evenly_spaced_are_copied(rng, device):
    C = 4
    x, W = normal(rng, 3, N, 5 * C), normal(rng, 3, C)
    v, _ = gates.lstm_forward(x[::2], W, False)
    same(gates.lstm_forward(to_device(x)[::2], to_device(W), False)[0], v)

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
    room, y = room_of(x, C), np.empty_like(dy)
    gates.lstm_forward(room, y, W, use_dropout)
    wide = to_device(normal(rng, T, N, room.shape[2] + 4))  # rows of a room and of y lie in wider ones
    there, y_there = wide[:, :, 2:-2], to_device(normal(rng, T, N, 2 * C + 3))[:, :, 3:]
    there[...] = to_device(room_of(x, C))
    gates.lstm_forward(there, y_there, to_device(W), use_dropout)
    same(there, room)
    same(y_there, y)
    same(gates.lstm_sums(there[...].copy(), C)[1], gates.lstm_sums(room, C)[1])
    gates.lstm_backward(dy, room, W, use_dropout, repair)
    how = use_dropout, None if repair is None else to_device(repair)
    gates.lstm_backward(to_device(dy), there, to_device(W), *how)
    same(there, room)
    assert not room[..., 5 * C : -C].any()
    np.testing.assert_array_equal(room[..., -C:], x[..., 4 * C : 5 * C])
    for ours, theirs in zip(
        gates.peephole_sums(there, y_there[..., :C]), gates.peephole_sums(room, y[..., :C])
    ):
        same(ours, theirs)


def room_of(x, C):
    """x and C free columns."""
    return np.concatenate([x, np.full((T, N, C), np.nan, x.dtype)], axis=-1)


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


def test_rows_that_are_not_evenly_spaced_are_copied_if_only_read_and_refused_as_a_room(rng, device):
    C = 4
    x, W, dy = normal(rng, T, N, 5 * C), normal(rng, 3, C), normal(rng, 2 * T, N, 2 * C)
    room, y = room_of(x, C), np.empty((T, N, 2 * C), np.float32)
    gates.lstm_forward(room, y, W, False)
    there = to_device(room)
    gates.lstm_backward(dy[::2], room, W, False, None)
    gates.lstm_backward(to_device(dy)[::2], there, to_device(W), False, None)
    same(there, room)
    with pytest.raises(ValueError, match="not evenly spaced"):
        gates.lstm_forward(to_device(normal(rng, 2 * T, N, 6 * C))[::2], to_device(y), to_device(W), False)

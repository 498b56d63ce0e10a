"""Sigmoid and tanh gates of recurrent cells, an LSTM cell forwards and backwards, sums for self-repair.

v (T, N, 5, C) holds the nonlinearities of an LSTM cell in Kaldi's order:
i, f, g = tanh(c_part), o, h = tanh(c).
"""

from __future__ import annotations

import numpy as np

from nnet.backend import Array, array_module

Masks = tuple[Array, Array, Array] | None

I, F, G, O, H = range(5)  # noqa: E741  the gates have these names


def sigmoid(x: Array, out: Array | None = None) -> Array:
    """1 / (1 + exp(-x))."""
    xp = array_module(x)
    y = xp.negative(x, out=out)
    with np.errstate(over="ignore"):  # exp(-x) = inf gives the right limit, 0
        xp.exp(y, out=y)
    y += 1
    return xp.reciprocal(y, out=y)


def lstm_forward(parts: Array, c_prev: Array, W: Array, masks: Masks) -> tuple[Array, Array]:
    """v (T, N, 5, C) and y (T, N, 2C) = (c, m) from parts (T, N, 4, C) of i, f, c, o and c_prev (T, N, C).

    W (3, C) are the peepholes into i, f and o; masks (T, N, 1) scale the gates i, f and o.
    """
    xp = array_module(parts)
    T, N, _, C = parts.shape
    v = xp.empty((T, N, 5, C), parts.dtype)
    gates = v[:, :, :2]
    xp.multiply(c_prev[:, :, None], W[:2], out=gates)
    gates += parts[:, :, :2]
    sigmoid(gates, out=gates)
    xp.tanh(parts[:, :, 2], out=v[:, :, G])
    i, f, o_scale = scaled(v, masks)
    y = xp.empty((T, N, 2 * C), parts.dtype)
    c, m = y[..., :C], y[..., C:]
    xp.multiply(f, c_prev, out=c)
    c += i * v[:, :, G]
    o = xp.multiply(c, W[2], out=v[:, :, O])
    o += parts[:, :, 3]
    sigmoid(o, out=o)
    xp.multiply(o, xp.tanh(c, out=v[:, :, H]), out=m)
    if o_scale is not None:
        m *= o_scale
    return v, y


def scaled(v: Array, masks: Masks) -> tuple[Array, Array, Array | None]:
    """The gates i and f as they act, and the mask of o."""
    if masks is None:
        return v[:, :, I], v[:, :, F], None
    return v[:, :, I] * masks[0], v[:, :, F] * masks[1], masks[2]


def lstm_backward(dy: Array, v: Array, c_prev: Array, W: Array, masks: Masks, repair: Array | None) -> Array:
    """(T, N, 5, C): derivatives by the parts of i, f, c and o, and by c_prev, for dy (T, N, 2C).

    `repair` (5, C) pulls each nonlinearity towards zero, by repair (2v - 1) for sigmoids, repair v for tanhs.
    """
    xp = array_module(v)
    C = c_prev.shape[-1]
    dx = slopes(v)  # becomes the derivatives in place: fresh memory costs more than the arithmetic
    spare = xp.empty(c_prev.shape, dy.dtype)
    i, f, o_scale = scaled(v, masks)
    dm = dy[..., C:] if o_scale is None else dy[..., C:] * o_scale
    do = dx[:, :, O]
    do *= dm
    do *= v[:, :, H]
    pull(do, v, O, repair, spare)
    dc = dm * v[:, :, O]
    dc *= dx[:, :, H]
    dc += dy[..., :C]
    dc += xp.multiply(do, W[2], out=spare)
    pull(dc, v, H, repair, spare)
    dx[:, :, :3] *= dc[:, :, None]
    dx[:, :, I] *= v[:, :, G] if masks is None else v[:, :, G] * masks[0]
    dx[:, :, F] *= c_prev if masks is None else c_prev * masks[1]
    dx[:, :, G] *= i
    for part in (I, F, G):
        pull(dx[:, :, part], v, part, repair, spare)
    dc_prev = xp.multiply(dc, f, out=dx[:, :, 4])
    for gate in (I, F):
        dc_prev += xp.multiply(dx[:, :, gate], W[gate], out=spare)
    return dx


def slopes(v: Array) -> Array:
    """Derivatives of the five nonlinearities from their values: v (1 - v) or 1 - v^2."""
    xp = array_module(v)
    s = v * v
    for sigmoids in (slice(0, 2), O):
        xp.subtract(v[:, :, sigmoids], s[:, :, sigmoids], out=s[:, :, sigmoids])
    xp.subtract(1, s[:, :, G::2], out=s[:, :, G::2])
    return s


def pull(d: Array, v: Array, k: int, repair: Array | None, spare: Array) -> None:
    """Subtract from d, the derivative at the input of nonlinearity k, what self-repair asks for."""
    if repair is None:
        return
    is_sigmoid = k in (I, F, O)
    d -= array_module(v).multiply(v[:, :, k], repair[k] * (2 if is_sigmoid else 1), out=spare)
    if is_sigmoid:
        d += repair[k]


def lstm_sums(v: Array) -> tuple[Array, Array]:
    """Sums over frames of the values and of the derivatives of the five nonlinearities, each (5, C)."""
    xp = array_module(v)
    total, square = v.sum(axis=(0, 1)), xp.einsum("tnkc,tnkc->kc", v, v)
    deriv = total - square
    deriv[G::2] = v.shape[0] * v.shape[1] - square[G::2]
    return total, deriv.clip(0, None)

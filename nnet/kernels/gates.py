"""Gates of recurrent cells: LSTM and GRU cells forwards and backwards, sums for self-repair.

v (T, N, 5, C) holds the nonlinearities of an LSTM cell in Kaldi's order:
i, f, g = tanh(c_part), o, h = tanh(c).
"""

from __future__ import annotations

import numpy as np

from nnet.backend import Array, array_module
from nnet.kernels.launch import elementwise, on_device, rows_apart
from nnet.kernels.sums import column_products

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


def lstm_forward(x: Array, W: Array, use_dropout: bool) -> tuple[Array, Array]:
    """v (T, N, 5, C) and y (T, N, 2C) = (c, m) from x: parts of i, f, c, o, then c_prev, then three masks.

    W (3, C) are the peepholes into i, f and o; the masks, with `use_dropout`, scale the gates i, f and o.
    """
    xp, C = array_module(x), W.shape[1]
    T, N, _ = x.shape
    v, y = xp.empty((T, N, 5, C), x.dtype), xp.empty((T, N, 2 * C), x.dtype)
    if on_device(x):
        x, apart = rows_apart(x)
        elementwise(x, "cells", "lstm", T * N * C, v, y, x, apart, W, np.int32(use_dropout), np.int32(C))
        return v, y
    parts, c_prev, masks = split(x, C, use_dropout)
    gates = v[:, :, :2]
    xp.multiply(c_prev[:, :, None], W[:2], out=gates)
    gates += parts[:, :, :2]
    sigmoid(gates, out=gates)
    xp.tanh(parts[:, :, 2], out=v[:, :, G])
    i, f, o_scale = scaled(v, masks)
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


def split(x: Array, C: int, use_dropout: bool) -> tuple[Array, Array, Masks]:
    """Parts (T, N, 4, C), c_prev (T, N, C) and three masks (T, N, 1) or None: views of the cell's input."""
    parts = x[..., : 4 * C].reshape(*x.shape[:2], 4, C)
    return parts, x[..., 4 * C : 5 * C], masks_of(x[..., 5 * C :]) if use_dropout else None


def masks_of(columns: Array) -> tuple[Array, Array, Array]:
    """Three columns (T, N, 3) as masks (T, N, 1)."""
    return columns[..., :1], columns[..., 1:2], columns[..., 2:]


def scaled(v: Array, masks: Masks) -> tuple[Array, Array, Array | None]:
    """The gates i and f as they act, and the mask of o."""
    if masks is None:
        return v[:, :, I], v[:, :, F], None
    return v[:, :, I] * masks[0], v[:, :, F] * masks[1], masks[2]


def lstm_backward(
    dy: Array, v: Array, held: Array, W: Array, use_dropout: bool, repair: Array | None
) -> Array:
    """dx: derivatives by the parts of i, f, c and o, by c_prev, zeros for masks; dy is (T, N, 2C).

    `held` are the last columns of x, c_prev and the masks, which is all of x that is needed.

    `repair` (5, C) pulls each nonlinearity towards zero, by repair (2v - 1) for sigmoids, repair v for tanhs.
    """
    T, N, _, C = v.shape
    if not on_device(v):
        dx = _lstm_backward(dy, v, held, W, use_dropout, repair).reshape(T, N, -1)
        return np.concatenate([dx, np.zeros((T, N, 3), dx.dtype)], axis=-1) if use_dropout else dx
    (held, apart), (dy, dy_apart) = rows_apart(held), rows_apart(dy)
    dx = array_module(v).empty((T, N, 4 * C + held.shape[-1]), v.dtype)
    inputs = dx, np.int64(dx.shape[-1]), dy, dy_apart, v, held, apart, W
    how = (W if repair is None else repair), np.int32(repair is not None), np.int32(use_dropout), np.int32(C)
    elementwise(v, "cells", "lstm_back", T * N * C, *inputs, *how)
    return dx


def _lstm_backward(
    dy: Array, v: Array, held: Array, W: Array, use_dropout: bool, repair: Array | None
) -> Array:
    """The first five parts of dx, (T, N, 5, C), by numpy."""
    xp, C = array_module(v), v.shape[-1]
    c_prev, masks = held[..., :C], masks_of(held[..., C:]) if use_dropout else None
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


def peephole_sums(dx: Array, c_prev: Array, c: Array) -> tuple[Array, Array]:
    """What the peepholes into i and f, (2, C), and into o, (C,), get of dx as `lstm_backward` gives it."""
    T, N, C = c.shape
    d = dx[..., : 5 * C].reshape(T, N, 5, C)
    if on_device(dx):
        both = (d[:, :, :2] * c_prev[:, :, None]).sum(axis=(0, 1))
        return both, (d[:, :, O] * c).sum(axis=(0, 1))
    xp = array_module(dx)
    return xp.einsum("tnkc,tnc->kc", d[:, :, :2], c_prev), xp.einsum("tnc,tnc->c", d[:, :, O], c)


def gru_forward(a: Array, z: Array, c_prev: Array) -> Array:
    """y (T, N, 2C) = (h, c), h = tanh(a), c = (1 - z) h + z c_prev, for z and c_prev of one array's rows."""
    xp = array_module(a)
    T, N, C = a.shape
    y = xp.empty((T, N, 2 * C), a.dtype)
    if on_device(a):
        (z, apart), (c_prev, same) = rows_apart(z), rows_apart(c_prev)
        assert apart == same
        elementwise(a, "cells", "gru", a.size, y, a, z, c_prev, apart, np.int32(C))
        return y
    h, c = y[..., :C], y[..., C:]
    xp.tanh(a, out=h)
    xp.subtract(c_prev, h, out=c)
    c *= z
    c += h
    return y


def gru_backward(dy: Array, y: Array, z: Array, c_prev: Array, dz: Array, dc_prev: Array) -> Array:
    """da (T, N, C) for dy (T, N, 2C); fills dz and dc_prev, the latter without what comes through a.

    z and c_prev are views of one array's rows, dz and dc_prev of another's.
    """
    T, N, C = z.shape
    if on_device(y):
        (dy, dy_apart), (y, y_apart), (z, x_apart) = rows_apart(dy), rows_apart(y), rows_apart(z)
        (c_prev, same), dx_apart = rows_apart(c_prev), rows_apart(dz)[1]
        assert x_apart == same and dx_apart == rows_apart(dc_prev)[1]
        da = array_module(y).empty((T, N, C), y.dtype)
        read = dy, dy_apart, y, y_apart, z, c_prev, x_apart
        elementwise(y, "cells", "gru_back", da.size, da, dz, dc_prev, dx_apart, *read, np.int32(C))
        return da
    dc, h = dy[..., C:], y[..., :C]
    np.multiply(dc, c_prev - h, out=dz)
    np.multiply(dc, z, out=dc_prev)
    return gru_da(dy, y, z)


def gru_da(dy: Array, y: Array, z: Array) -> Array:
    """Derivative by the argument of the tanh, (T, N, C)."""
    C = z.shape[-1]
    da = dy[..., C:] * (1 - z)
    da += dy[..., :C]
    da *= 1 - y[..., :C] * y[..., :C]
    return da


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
    K, C = v.shape[2:]
    rows = v.reshape(-1, K * C)
    total, square = v.sum(axis=(0, 1)), column_products(rows, rows).reshape(K, C)
    deriv = total - square
    deriv[G::2] = v.shape[0] * v.shape[1] - square[G::2]
    return total, deriv.clip(0, None)

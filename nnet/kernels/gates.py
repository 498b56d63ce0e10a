"""Gates of recurrent cells: LSTM and GRU cells forwards and backwards, sums for self-repair.

An LSTM cell is computed in a room (T, N, 6C), with masks (T, N, 6C + 3), that holds what it reads: the parts
of i, f, c and o, c_prev, the masks; the last C columns are free. The nonlinearities i, f, g = tanh(c_part)
and o take the place of their parts, h = tanh(c) the free one; the derivatives take the place of both.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nnet.backend import Array, array_module
from nnet.kernels.launch import elementwise, on_device, rows_apart
from nnet.kernels.rows import joined
from nnet.kernels.sums import column_products

Masks = tuple[Array, Array, Array] | None

I, F, G, O, H = range(5)  # noqa: E741  the gates have these names
SIGMOIDS = (I, F, O)


def sigmoid(x: Array, out: Array | None = None) -> Array:
    """1 / (1 + exp(-x))."""
    xp = array_module(x)
    y = xp.negative(x, out=out)
    with np.errstate(over="ignore"):  # exp(-x) = inf gives the right limit, 0
        xp.exp(y, out=y)
    y += 1
    return xp.reciprocal(y, out=y)


class Cells(NamedTuple):
    """The columns of a room, each (T, N, C), but the masks of i, f and o, (T, N, 1)."""

    i: Array
    f: Array
    g: Array
    o: Array
    c_prev: Array
    h: Array
    masks: Masks

    def acting(self) -> tuple[Array, Array]:
        """The gates i and f as they act."""
        return (self.i, self.f) if self.masks is None else (self.i * self.masks[0], self.f * self.masks[1])


def cells(room: Array, C: int, use_dropout: bool) -> Cells:
    """Views of what lies in a room."""
    i, f, g, o, c_prev = (room[..., k * C : (k + 1) * C] for k in range(5))
    masks = room[..., 5 * C : 5 * C + 1], room[..., 5 * C + 1 : 5 * C + 2], room[..., 5 * C + 2 : 5 * C + 3]
    return Cells(i, f, g, o, c_prev, room[..., -C:], masks if use_dropout else None)


def lstm_forward(room: Array, y: Array, W: Array, use_dropout: bool) -> None:
    """Put the nonlinearities into the room, and (c, m) into y (T, N, 2C).

    W (3, C) are the peepholes into i, f and o; the masks, with `use_dropout`, scale the gates i, f and o.
    """
    xp, C = array_module(room), W.shape[1]
    if on_device(room):
        size = room.shape[0] * room.shape[1] * C
        how = W, np.int32(use_dropout), np.int32(C)
        elementwise(room, "cells", "lstm", size, *_in_place(room), *_in_place(y), *how)
        return
    at = cells(room, C, use_dropout)
    c, m, spare = y[..., :C], y[..., C:], at.h
    i, f, o = at.i, at.f, at.o
    i += xp.multiply(at.c_prev, W[0], out=spare)
    f += xp.multiply(at.c_prev, W[1], out=spare)
    gates = room[..., : 2 * C]
    sigmoid(gates, out=gates)
    xp.tanh(at.g, out=at.g)
    i, f = at.acting()
    xp.multiply(f, at.c_prev, out=c)
    c += xp.multiply(i, at.g, out=spare)
    o += xp.multiply(c, W[2], out=spare)
    sigmoid(o, out=o)
    xp.multiply(o, xp.tanh(c, out=at.h), out=m)
    if at.masks is not None:
        m *= at.masks[2]


def _in_place(x: Array) -> tuple[Array, np.int64]:
    """What `rows_apart` says of an array that a kernel is to change; ValueError if it would be a copy."""
    same, apart = rows_apart(x)
    if same is not x:
        raise ValueError(f"rows of an array {x.shape} with strides {x.strides} are not evenly spaced")
    return x, apart


def lstm_backward(dy: Array, room: Array, W: Array, use_dropout: bool, repair: Array | None) -> None:
    """Turn a room from forward into derivatives for dy (T, N, 2C): by all that the cell read, zero by masks.

    c_prev is then in the last C columns, for `peephole_sums`. `repair` (5, C) pulls each nonlinearity towards
    zero, by repair (2v - 1) for sigmoids, repair v for tanhs.
    """
    C = W.shape[1]
    if not on_device(room):
        _lstm_backward(dy, room, W, use_dropout, repair)
        return
    how = (W if repair is None else repair), np.int32(repair is not None), np.int32(use_dropout), np.int32(C)
    size = room.shape[0] * room.shape[1] * C
    elementwise(room, "cells", "lstm_back", size, *_in_place(room), *rows_apart(dy), W, *how)
    if use_dropout:  # after the launch: threads of a row share its masks
        room[..., 5 * C : -C] = 0


def _lstm_backward(dy: Array, room: Array, W: Array, use_dropout: bool, repair: Array | None) -> None:
    """The same by numpy, for few rows at a time: the arrays that it needs are to stay in a cache."""
    xp, C = array_module(room), W.shape[1]
    at = cells(room, C, use_dropout)
    i_mask, f_mask, o_mask = at.masks or (None, None, None)
    dc, d, dg, spare = xp.empty((4, *at.h.shape), room.dtype)
    _back_to_c(dy[..., :C], masked(dy[..., C:], o_mask), at, W[2], repair, (dc, d, spare))
    at.h[...] = at.c_prev
    i, f = at.acting()
    dc_prev = xp.multiply(dc, f, out=at.c_prev)
    slope(at.g, G, out=dg)
    dg *= dc
    dg *= i
    for gate, k, other in ((at.i, I, masked(at.g, i_mask)), (at.f, F, masked(at.h, f_mask))):
        slope(gate, k, out=d)
        d *= dc
        d *= other
        pull(d, gate, k, repair, spare, out=gate)
        dc_prev += xp.multiply(gate, W[k], out=spare)
    pull(dg, at.g, G, repair, spare, out=at.g)
    if use_dropout:
        room[..., 5 * C : -C] = 0


def _back_to_c(
    dc_above: Array, dm: Array, at: Cells, w: Array, repair: Array | None, room: tuple[Array, Array, Array]
) -> None:
    """From derivatives by c, of what reads it, and by m: that by the part of o, in its place, and dc."""
    xp, (dc, d, spare) = array_module(dm), room
    xp.multiply(dm, at.o, out=dc)
    slope(at.o, O, out=d)
    d *= dm
    d *= at.h
    pull(d, at.o, O, repair, spare, out=at.o)
    dc *= slope(at.h, H, out=d)
    dc += dc_above
    dc += xp.multiply(at.o, w, out=spare)
    pull(dc, at.h, H, repair, spare)


def masked(x: Array, mask: Array | None) -> Array:
    """x times the mask, if there is one."""
    return x if mask is None else x * mask


def peephole_sums(room: Array, c: Array) -> tuple[Array, Array]:
    """What the peepholes into i and f, (2, C), and into o, (C,), get of a room after `lstm_backward`."""
    T, N, C = c.shape
    d, c_prev = room[..., : 4 * C].reshape(T, N, 4, C), room[..., -C:]
    if on_device(room):
        both = (d[:, :, :2] * c_prev[:, :, None]).sum(axis=(0, 1))
        return both, (d[:, :, O] * c).sum(axis=(0, 1))
    xp = array_module(room)
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


def slope(v: Array, k: int, out: Array) -> Array:
    """The derivative of nonlinearity k from its values v: v (1 - v) or 1 - v^2."""
    xp = array_module(v)
    xp.multiply(v, v, out=out)
    return xp.subtract(v if k in SIGMOIDS else 1, out, out=out)


def pull(d: Array, v: Array, k: int, repair: Array | None, spare: Array, out: Array | None = None) -> None:
    """Subtract from d, the derivative at the input of nonlinearity k, what self-repair asks for.

    The result goes to `out`, if given, which may be v.
    """
    out = d if out is None else out
    if repair is None:
        if out is not d:
            out[...] = d
        return
    xp = array_module(v)
    xp.multiply(v, repair[k] * (2 if k in SIGMOIDS else 1), out=spare)
    xp.subtract(d, spare, out=out)
    if k in SIGMOIDS:
        out += repair[k]


def lstm_sums(room: Array, C: int) -> tuple[Array, Array]:
    """Sums over frames of the values and of the derivatives of the five nonlinearities, each (5, C).

    For a room as `lstm_forward` leaves it; c_prev is summed along, so that rows are read as they lie.
    """
    rows = room.reshape(-1, room.shape[-1])
    total, square = (_nonlinearities(a, C) for a in (rows.sum(axis=0), column_products(rows, rows)))
    deriv = total - square
    deriv[G::2] = len(rows) - square[G::2]
    return total, deriv.clip(0, None)


def _nonlinearities(columns: Array, C: int) -> Array:
    """Of one number for each column of a room those of the five nonlinearities, (5, C)."""
    return joined([columns[: 4 * C], columns[-C:]]).reshape(5, C)

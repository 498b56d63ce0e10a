"""Batch normalisation of rows, forwards and backwards, in three launches each; bias and ReLU go along."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnet.backend import Array, array_module
from nnet.cores import by_parts
from nnet.kernels.blocks import apply, blocks, column_totals
from nnet.kernels.compiled import compiled
from nnet.kernels.launch import elementwise, kernel, on_device

WIDE, HIGH = 32, 8  # a block's columns and rows
CHUNK = 256  # rows that one block sums


@dataclass(frozen=True, eq=False)
class Moments:
    """What batch normalisation took from a minibatch, per dimension, and the scale that it applied."""

    mean: Array
    mean_square: Array
    scale: Array


def forward(x: Array, epsilon: float, target_rms: float) -> tuple[Array, Moments]:
    """y = (x - mean) * target_rms / sqrt(variance + epsilon) for x (rows, D); each column has its own."""
    if on_device(x) and x.flags.c_contiguous:
        return _standardised(x, partial_sums(x, x), epsilon, target_rms)
    return _from_sums(x, *column_totals(x, x), epsilon, target_rms)


def _from_sums(
    x: Array, total: Array, square: Array, epsilon: float, target_rms: float
) -> tuple[Array, Moments]:
    mean, mean_square = total / len(x), square / len(x)
    variance = (mean_square - mean * mean).clip(0, None)
    scale = ((variance + epsilon) / target_rms**2) ** -0.5
    moments = Moments(*(a.astype(x.dtype, copy=False) for a in (mean, mean_square, scale)))
    return standardised(x, moments), moments


def standardised(x: Array, moments: Moments) -> Array:
    """(x - mean) * scale."""
    xp = array_module(x)
    if run := compiled("standardise", x, moments.mean, moments.scale):
        y, columns = np.empty_like(x), x.shape[1]

        def rows(at: slice) -> None:
            run(x[at], moments.mean, moments.scale, y[at], at.stop - at.start, columns)

        by_parts(rows, len(x), x.size)
        return y

    def block(x: Array, out: Array) -> None:
        xp.subtract(x, moments.mean, out=out)
        out *= moments.scale

    return apply(block, x)


def backward(dy: Array, x: Array, moments: Moments, target_rms: float, out: Array | None = None) -> Array:
    """dx = scale * (dy - mean(dy) - y * mean(y dy) / target_rms^2) for dy and x (rows, D), y as in `forward`.

    On the host in `out`, which may be dy, if given. From x, which a ReLU before it keeps anyway, so that
    nobody has to keep y.
    """
    rows, columns = x.shape
    xp = array_module(x)
    if on_device(x) and x.flags.c_contiguous and dy.flags.c_contiguous and dy.dtype == x.dtype:
        y = standardised(x, moments)
        part = partial_sums(dy, y)
        means, dx, real = xp.empty((2, columns), y.dtype), xp.empty_like(y), y.dtype.type
        counts = np.int32(len(part)), np.int32(rows)
        elementwise(y, "normalise", "means", columns, means, part, *counts)
        last = moments.scale, real(target_rms), np.int32(columns)
        elementwise(y, "normalise", "standardise_back", y.size, dx, dy, y, means, *last)
        return dx
    total, product = column_totals(dy, x)
    product -= total * moments.mean
    slope = moments.scale**3 * product * (-1.0 / (rows * target_rms**2))
    offset = -slope * moments.mean - moments.scale * total / rows
    slope, offset = slope.astype(x.dtype, copy=False), offset.astype(x.dtype, copy=False)
    if run := compiled("standardise_back", dy, x, slope, offset, moments.scale):
        dx = np.empty_like(dy) if out is None else out

        def part(at: slice) -> None:
            run(dy[at], x[at], slope, offset, moments.scale, dx[at], at.stop - at.start, columns)

        by_parts(part, rows, x.size)
        return dx

    def block(dy: Array, x: Array, out: Array) -> None:
        scaled = dy * moments.scale
        xp.multiply(x, slope, out=out)
        out += offset
        out += scaled

    return apply(block, dy, x, out=out)


def bias_relu_forward(x: Array, b: Array, epsilon: float, target_rms: float) -> tuple[Array, Moments]:
    """x = max(x + b, 0) in place, then `forward` of it, which reads x once less: x (rows, D), b (D,)."""
    if on_device(x) and x.flags.c_contiguous:
        part, grid, counts = _parts(x)
        kernel(x, "normalise", "bias_relu_sums")(grid, (WIDE, HIGH), (part, x, b, *counts))
        return _standardised(x, part, epsilon, target_rms)
    if run := compiled("bias_relu_sums", x, b):
        total, square = np.empty((2, len(b)))

        def columns(at: slice) -> None:
            run(x[:, at], b[at], total[at], square[at], *x.shape, at.stop - at.start)

        by_parts(columns, len(b), x.size)
        return _from_sums(x, total, square, epsilon, target_rms)

    def clip(rows: slice) -> None:
        for at in blocks(x[rows]):
            part = x[rows][at]
            part += b
            array_module(x).maximum(part, 0, out=part)

    by_parts(clip, len(x), x.size)
    return forward(x, epsilon, target_rms)


def _parts(x: Array) -> tuple[Array, tuple[int, int], tuple[np.int32, ...]]:
    """Room for sums of chunks, the grid, and the last three arguments of kernels that make them."""
    rows, columns = x.shape
    chunks = max(1, -(-rows // CHUNK))
    part = array_module(x).empty((chunks, 2, columns), np.float64)
    return part, (-(-columns // WIDE), chunks), (np.int32(rows), np.int32(columns), np.int32(CHUNK))


def partial_sums(a: Array, b: Array) -> Array:
    """Sums of a and of a b over chunks of rows, (chunks, 2, D) in float64, on a device; both C-contiguous."""
    part, grid, counts = _parts(a)
    kernel(a, "normalise", "partial_sums")(grid, (WIDE, HIGH), (part, a, b, *counts))
    return part


def _standardised(x: Array, part: Array, epsilon: float, target_rms: float) -> tuple[Array, Moments]:
    rows, columns = x.shape
    xp = array_module(x)
    held, y = xp.empty((3, columns), x.dtype), xp.empty_like(x)
    settings = np.int32(len(part)), np.int32(rows), np.float64(epsilon), np.float64(target_rms)
    elementwise(x, "normalise", "moments", columns, held, part, *settings)
    elementwise(x, "normalise", "standardise", x.size, y, x, held, np.int32(columns))
    return y, Moments(held[0], held[1], held[2])

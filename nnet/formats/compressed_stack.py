"""Many equal-sized matrices compressed or decompressed at once, bit for bit as one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnet.formats.compressed import (
    SPEECH,
    TWO_BYTES,
    CompressedMatrix,
    _codes,
    _percentiles,
    _speech_codes,
)

_UNIT = np.float32(1.52590218966964e-05)  # 1 / 65535, the literal of Kaldi's Uint16ToFloat


def compress_stack(x: np.ndarray) -> list[CompressedMatrix]:
    """The matrices x[e] of x (E, rows, cols), each compressed as `compress` does with its automatic method.

    Raises ValueError for values that are not finite.
    """
    if x.size == 0:
        raise ValueError(f"an array of shape {x.shape} holds no matrices to compress")
    E, R, D = x.shape
    columns = np.ascontiguousarray(x.transpose(1, 0, 2), np.float32).reshape(R, E * D)
    low, width = _ranges(columns.reshape(R, E, D))
    lows: Any = np.repeat(low, D)  # one for each column, where one matrix alone has one for all
    widths: Any = np.repeat(width, D)
    if R <= 8:
        codes = _codes(columns, lows, widths, TWO_BYTES)
        return [
            CompressedMatrix(TWO_BYTES, low[e], width[e], codes[:, e * D : (e + 1) * D]) for e in range(E)
        ]
    percentiles = _percentiles(columns, lows, widths)
    codes = _speech_codes(lows + (widths * _UNIT) * percentiles.T.astype(np.float32), columns)
    spans = [slice(e * D, (e + 1) * D) for e in range(E)]
    return [
        CompressedMatrix(SPEECH, low[e], width[e], codes[:, s], percentiles[s]) for e, s in enumerate(spans)
    ]


def _ranges(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest value and width of the range of each x[:, e] (Kaldi's ComputeGlobalHeader)."""
    low, high = x.min((0, 2)), x.max((0, 2))
    constant = low == high
    if constant.any():
        wide = low[constant].astype(np.float64)
        high[constant] = wide + (1.0 + np.abs(wide))
    with np.errstate(all="ignore"):
        width = high - low
    bad = np.flatnonzero(~np.isfinite(width))
    if len(bad):
        raise ValueError(
            f"a matrix with values from {low[bad[0]]} to {high[bad[0]]} cannot be compressed: not finite"
        )
    return low, width


def dense_stack(matrices: Sequence[CompressedMatrix]) -> np.ndarray:
    """Values of matrices of one storage and size as (rows, E, cols), float32: matrix e is result[:, e]."""
    codes = np.stack([m.codes for m in matrices], axis=1)
    low = np.array([m.min_value for m in matrices], np.float32)[:, None]
    width = np.array([m.value_range for m in matrices], np.float32)[:, None]
    if matrices[0].percentiles is None:
        steps = 65535.0 if matrices[0].storage == TWO_BYTES else 255.0
        return low + codes.astype(np.float32) * (width * (1.0 / np.float64(steps))).astype(np.float32)
    percentiles = np.stack([m.percentiles for m in matrices if m.percentiles is not None])  # (E, cols, 4)
    return _speech_values(
        codes, low[:, :, None] + (width * _UNIT)[:, :, None] * percentiles.astype(np.float32)
    )


def _speech_values(codes: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Kaldi's CharToFloat for codes (rows, E, cols) and the values of four percentiles (E, cols, 4).

    Division by 64 and 128 is exact, so only the third range needs the double precision of the original.
    """
    p0, p25, p75, p100 = np.ascontiguousarray(positions.transpose(2, 0, 1))
    c = codes.astype(np.float32)
    x = p0 + (p25 - p0) * c * np.float32(1 / 64)
    middle = p25 + (p75 - p25) * (c - np.float32(64)) * np.float32(1 / 128)
    np.copyto(x, middle, where=codes > 64)
    high = np.flatnonzero(codes > 192)
    column = high % positions[..., 0].size
    p75, spread, c = p75.ravel()[column], (p100 - p75).ravel()[column], c.ravel()[high]
    x.reshape(-1)[high] = p75 + (spread * (c - np.float32(192))).astype(np.float64) * (1 / 63.0)
    return x

"""Many equal-sized matrices compressed or decompressed at once, bit for bit as one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnet.formats.compressed import SPEECH, TWO_BYTES, CompressedMatrix
from nnet.kernels.compiled import function

_UNIT = np.float32(1.52590218966964e-05)  # 1 / 65535, the literal of Kaldi's Uint16ToFloat
_BLOCK = 16  # matrices compressed in one pass: few enough to stay in the processor's cache


def compress_stack(x: np.ndarray) -> list[CompressedMatrix]:
    """The matrices x[e] of x (E, rows, cols), each compressed as `compress` does with its automatic method.

    Raises ValueError for values that are not finite.
    """
    if x.size == 0:
        raise ValueError(f"an array of shape {x.shape} holds no matrices to compress")
    blocks = (x[e : e + _BLOCK] for e in range(0, len(x), _BLOCK))
    return [m for block in blocks for m in _compress_block(block)]


def _compress_block(x: np.ndarray) -> list[CompressedMatrix]:
    columns = np.ascontiguousarray(
        x.transpose(0, 2, 1), np.float32
    )  # (E, cols, rows), as the files have them
    low, width = _ranges(columns)
    if columns.shape[2] <= 8:
        codes = _two_bytes(columns, low[:, None, None], width[:, None, None]).astype(np.uint16)
        return [CompressedMatrix(TWO_BYTES, a, w, c.T) for a, w, c in zip(low, width, codes)]
    percentiles = _percentiles(columns, low[:, None, None], width[:, None, None])
    codes = _speech_codes(columns, low[:, None, None] + (width * _UNIT)[:, None, None] * percentiles)
    quarters = percentiles.astype(np.uint16)
    return [CompressedMatrix(SPEECH, a, w, c.T, q) for a, w, c, q in zip(low, width, codes, quarters)]


def _ranges(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest value and width of the range of each x[e] (Kaldi's ComputeGlobalHeader)."""
    low, high = x.min((1, 2)), x.max((1, 2))
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


def _two_bytes(x: np.ndarray, low: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Kaldi's FloatToUint16, as int64."""
    f = np.clip((x - low) / width, np.float32(0), np.float32(1))
    return ((f * np.float32(65535)).astype(np.float64) + 0.499).astype(np.int64)


def _percentiles(x: np.ndarray, low: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Rising codes (E, cols, 4) of percentiles 0, 25, 75, 100 of more than 8 values (ComputeColHeader)."""
    rows = x.shape[2]
    quarter = rows // 4
    ordered = np.sort(x, axis=2)[:, :, [0, quarter, 3 * quarter, rows - 1]]
    codes = _two_bytes(ordered, low, width)
    codes[..., 0] = np.minimum(codes[..., 0], 65532)
    for k, most in ((1, 65533), (2, 65534), (3, 65535)):
        codes[..., k] = np.minimum(np.maximum(codes[..., k], codes[..., k - 1] + 1), most)
    return codes.astype(np.float32)


def _speech_codes(x: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Kaldi's FloatToChar for x (E, cols, rows), percentiles (E, cols, 4): nearest code, halves upwards."""
    p0, p25, p75, p100 = (positions[..., k, None] for k in range(4))
    first, last = x < p25, ~(x < p75)
    lower = np.where(first, p0, np.where(last, p75, p25))
    upper = np.where(first, p25, np.where(last, p100, p75))
    steps = np.where(first, np.float32(64), np.where(last, np.float32(63), np.float32(128)))
    with np.errstate(all="ignore"):
        v = (x - lower) / (upper - lower) * steps
        code = np.rint(v)
        code += v - code == np.float32(0.5)  # rint takes halves to the even neighbour
        code = np.fmin(np.fmax(code, np.float32(0)), steps)  # 0 also for 0 / 0
        code += np.where(first, np.float32(0), np.where(last, np.float32(192), np.float32(64)))
    return code.astype(np.uint8)


def dense_stack(matrices: Sequence[CompressedMatrix]) -> np.ndarray:
    """Values of matrices of one storage and size as (rows, E, cols), float32: matrix e is result[:, e]."""
    first = matrices[0]
    quarters = [m.percentiles for m in matrices if m.percentiles is not None]
    return decompress(
        np.stack([m.codes for m in matrices], axis=1),
        np.array([m.min_value for m in matrices], np.float32),
        np.array([m.value_range for m in matrices], np.float32),
        np.stack(quarters) if quarters else None,
        first.storage,
    )


def decompress(
    codes: np.ndarray, low: np.ndarray, width: np.ndarray, percentiles: np.ndarray | None, storage: Any
) -> np.ndarray:
    """Values (rows, E, cols), float32, of codes (rows, E, cols) in C order; all of one storage.

    `low` and `width` (E,) are the headers' smallest value and range; `percentiles` (E, cols, 4) are SPEECH's.
    """
    low, width = low[:, None], width[:, None]
    if percentiles is None:
        steps = 65535.0 if storage == TWO_BYTES else 255.0
        return low + codes.astype(np.float32) * (width * (1.0 / np.float64(steps))).astype(np.float32)
    return _speech_values(
        codes, low[:, :, None] + (width * _UNIT)[:, :, None] * percentiles.astype(np.float32)
    )


def _speech_values(codes: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Kaldi's CharToFloat for codes (rows, E, cols) and the values of four percentiles (E, cols, 4).

    Division by 64 and 128 is exact (but for subnormal numbers), so that only the third range needs the double
    precision of the original.
    """
    percentiles = p0, p25, p75, p100 = np.ascontiguousarray(positions.transpose(2, 0, 1))
    codes = np.ascontiguousarray(codes)  # x takes their order, and below must be a view of one dimension
    if run := function("speech_values", "f"):
        out = np.empty(codes.shape, np.float32)
        run(codes, percentiles, out, len(codes), p0.size)
        return out
    c = codes.astype(np.float32)
    x = c * (p25 - p0)
    x *= np.float32(1 / 64)
    x += p0
    middle = c - np.float32(64)
    middle *= p75 - p25
    middle *= np.float32(1 / 128)
    middle += p25
    np.copyto(x, middle, where=codes > 64)
    high = np.flatnonzero(codes > 192)
    column = high % positions[..., 0].size
    p75, spread = p75.ravel()[column], (p100 - p75).ravel()[column]
    c = c.ravel()[high] - np.float32(192)
    x.reshape(-1)[high] = p75 + (spread * c).astype(np.float64) * (1 / 63.0)
    return x

"""Kaldi's compressed matrices (CM, CM2, CM3): lossy, one or two bytes an element, rounding exactly as Kaldi.

Source: CompressedMatrix in Kaldi's compressed-matrix.cc. Single and double precision alternate in its
formulas; each step here has the type of the C++ expression, so that codes and values agree bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

SPEECH, TWO_BYTES, ONE_BYTE = 1, 2, 3  # the storage formats, as Kaldi numbers them
TOKENS = {SPEECH: "CM", TWO_BYTES: "CM2", ONE_BYTE: "CM3"}
_UNIT = np.float32(1.52590218966964e-05)  # 1 / 65535, the literal of Kaldi's Uint16ToFloat


class Method(IntEnum):
    """How the range of values is chosen and how many bytes an element takes (Kaldi's CompressionMethod)."""

    AUTOMATIC = 1
    SPEECH_FEATURE = 2
    TWO_BYTE_AUTO = 3
    TWO_BYTE_SIGNED_INTEGER = 4
    ONE_BYTE_AUTO = 5
    ONE_BYTE_UNSIGNED_INTEGER = 6
    ONE_BYTE_ZERO_ONE = 7


_FORMATS = {
    Method.SPEECH_FEATURE: SPEECH,
    Method.TWO_BYTE_AUTO: TWO_BYTES,
    Method.TWO_BYTE_SIGNED_INTEGER: TWO_BYTES,
    Method.ONE_BYTE_AUTO: ONE_BYTE,
    Method.ONE_BYTE_UNSIGNED_INTEGER: ONE_BYTE,
    Method.ONE_BYTE_ZERO_ONE: ONE_BYTE,
}
_FIXED_RANGES = {
    Method.TWO_BYTE_SIGNED_INTEGER: (-32768.0, 65535.0),
    Method.ONE_BYTE_UNSIGNED_INTEGER: (0.0, 255.0),
    Method.ONE_BYTE_ZERO_ONE: (0.0, 1.0),
}


@dataclass(frozen=True, eq=False)
class CompressedMatrix:
    """A compressed matrix; values lie between `min_value` and `min_value + value_range`.

    `codes` has the shape (rows, cols), uint8 or uint16. Storage SPEECH has per column four uint16 positions
    of the percentiles 0, 25, 75, 100 in `percentiles` (cols, 4); for the others `percentiles` is None.
    """

    storage: int
    min_value: np.float32
    value_range: np.float32
    codes: np.ndarray
    percentiles: np.ndarray | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.codes.shape[0])

    @property
    def cols(self) -> int:
        """Number of columns."""
        return int(self.codes.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""
        return self.rows, self.cols

    def dense(self) -> np.ndarray:
        """The values (rows, cols), float32."""
        if self.codes.size == 0:
            return np.zeros(self.shape, np.float32)
        if self.percentiles is not None:
            return _speech_values(self._positions(), self.codes)
        steps = 65535.0 if self.storage == TWO_BYTES else 255.0
        with np.errstate(all="ignore"):
            increment = np.float32(np.float64(self.value_range) * (1.0 / steps))
            return self.min_value + self.codes.astype(np.float32) * increment

    def scale(self, alpha: float) -> CompressedMatrix:
        """All values times `alpha`; the codes stay."""
        by = np.float32(alpha)
        return replace(self, min_value=self.min_value * by, value_range=self.value_range * by)

    def row_range(self, start: int, count: int, pad: bool = False) -> CompressedMatrix:
        """Rows start .. start + count - 1 without decompressing, as Kaldi's sub-matrix constructor.

        With `pad` rows outside repeat the first or last one. Fewer than 8 rows of storage SPEECH are
        compressed anew with two bytes an element. Raises ValueError if rows are missing.
        """
        if self.rows == 0 and count > 0:
            raise ValueError(f"{count} rows wanted of a matrix without rows")
        if not pad and not 0 <= start <= start + count <= self.rows:
            raise ValueError(f"rows {start} to {start + count - 1} wanted, the matrix has {self.rows} rows")
        wanted = np.clip(np.arange(start, start + count), 0, max(self.rows - 1, 0))
        part = replace(self, codes=self.codes[wanted])
        return compress(part.dense(), Method.TWO_BYTE_AUTO) if count < 8 and self.storage == SPEECH else part

    def _positions(self) -> np.ndarray:
        """Values of the percentiles, (4, cols) float32 (Kaldi's Uint16ToFloat)."""
        assert self.percentiles is not None
        with np.errstate(all="ignore"):
            return self.min_value + (self.value_range * _UNIT) * self.percentiles.T.astype(np.float32)


def compress(values: np.ndarray, method: int = Method.AUTOMATIC) -> CompressedMatrix:
    """Compress `values` (rows, cols) as Kaldi's CompressedMatrix::CopyFromMat.

    Raises ValueError for an unknown method, and where the range is taken from the values unless it is finite.
    """
    try:
        chosen = Method(method)
    except ValueError:
        raise ValueError(f"compression method {method} is not one of 1 to 7") from None
    with np.errstate(over="ignore", invalid="ignore"):
        x = np.ascontiguousarray(values, np.float32)
    if chosen is Method.AUTOMATIC:
        chosen = Method.SPEECH_FEATURE if len(x) > 8 else Method.TWO_BYTE_AUTO
    storage = _FORMATS[chosen]
    if x.size == 0:
        codes = np.zeros(x.shape, np.uint16 if storage == TWO_BYTES else np.uint8)
        percentiles = np.zeros((x.shape[1], 4), np.uint16) if storage == SPEECH else None
        return CompressedMatrix(storage, np.float32(0), np.float32(0), codes, percentiles)
    low, width = _range(x, chosen)
    if storage != SPEECH:
        return CompressedMatrix(storage, low, width, _codes(x, low, width, storage))
    percentiles = _percentiles(x, low, width)
    positions = low + (width * _UNIT) * percentiles.T.astype(np.float32)
    return CompressedMatrix(storage, low, width, _speech_codes(positions, x), percentiles)


def _range(x: np.ndarray, method: Method) -> tuple[np.float32, np.float32]:
    """Smallest value and width of the range (Kaldi's ComputeGlobalHeader)."""
    if method in _FIXED_RANGES:
        low, width = _FIXED_RANGES[method]
        return np.float32(low), np.float32(width)
    smallest, largest = x.min(), x.max()
    if smallest == largest:
        largest = np.float32(np.float64(smallest) + (1.0 + np.abs(np.float64(smallest))))
    with np.errstate(all="ignore"):
        spread = largest - smallest
    if not np.isfinite(spread):
        raise ValueError(
            f"a matrix with values from {smallest} to {largest} cannot be compressed: not finite"
        )
    return smallest, spread


def _codes(x: np.ndarray, low: np.float32, width: np.float32, storage: int) -> np.ndarray:
    """Kaldi's FloatToUint16 and FloatToUint8."""
    steps, dtype = (65535, np.uint16) if storage == TWO_BYTES else (255, np.uint8)
    with np.errstate(all="ignore"):
        f = np.clip((x - low) / width, np.float32(0), np.float32(1))
        f = np.nan_to_num(f, nan=0.0)
        return ((f * np.float32(steps)).astype(np.float64) + 0.499).astype(np.int64).astype(dtype)


def _percentiles(x: np.ndarray, low: np.float32, width: np.float32) -> np.ndarray:
    """Rising codes of four percentiles of each column, (cols, 4) uint16 (Kaldi's ComputeColHeader)."""
    rows, cols = x.shape
    quarter = rows // 4
    ranks = [0, quarter, 3 * quarter, rows - 1] if rows >= 5 else [0, 1, 2, 3]
    have = [r for r in ranks if r < rows]
    ordered = np.partition(x, have, axis=0)[have]  # (len(have), cols)
    codes = np.zeros((4, cols), np.int64)
    codes[: len(have)] = _codes(ordered, low, width, TWO_BYTES)
    codes[0] = np.minimum(codes[0], 65532)
    for k, most in ((1, 65533), (2, 65534), (3, 65535)):
        codes[k] = np.minimum(np.maximum(codes[k], codes[k - 1] + 1), most)
    return np.ascontiguousarray(codes.T.astype(np.uint16))


def _speech_codes(positions: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Kaldi's FloatToChar: codes 0-64, 64-192 and 192-255 for the three ranges between the percentiles."""
    p0, p25, p75, p100 = positions
    codes = np.empty(x.shape, np.uint8)
    with np.errstate(all="ignore"):
        first, last = x < p25, ~(x < p75)
        for where, lower, upper, start, steps in (
            (first, p0, p25, 0, 64),
            (~first & ~last, p25, p75, 64, 128),
            (~first & last, p75, p100, 192, 63),
        ):
            f = (x - lower) / (upper - lower)
            step = np.trunc((f * np.float32(steps)).astype(np.float64) + 0.5)
            np.copyto(codes, start + np.clip(step, 0, steps).astype(np.uint8), where=where, casting="unsafe")
    return codes


def _speech_values(positions: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Kaldi's CharToFloat, by a table of the 256 values of each column."""
    p0, p25, p75, p100 = positions[:, :, None]  # (cols, 1) each
    code = np.arange(256, dtype=np.float32)
    low, middle, high = code[:65], code[65:193], code[193:]
    with np.errstate(all="ignore"):
        table = np.concatenate(
            [
                p0 + ((p25 - p0) * low).astype(np.float64) * (1 / 64.0),
                p25 + ((p75 - p25) * (middle - 64)).astype(np.float64) * (1 / 128.0),
                p75 + ((p100 - p75) * (high - 192)).astype(np.float64) * (1 / 63.0),
            ],
            axis=1,
        ).astype(np.float32)  # (cols, 256)
    places = codes.T.astype(np.intp)  # (cols, rows)
    places += (np.arange(len(places)) << 8)[:, None]
    return np.ascontiguousarray(table.reshape(-1).take(places, mode="clip").T)

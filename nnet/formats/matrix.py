"""Kaldi's matrices and vectors in files: FM, DM, CM, CM2, CM3, SM, FV, DV and their text forms."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from nnet.formats.compressed import ONE_BYTE, SPEECH, TOKENS, TWO_BYTES, CompressedMatrix, Method, compress
from nnet.formats.reader import KaldiInput
from nnet.formats.sparse import SparseMatrix, from_pairs, read_sparse, write_sparse
from nnet.formats.writer import KaldiOutput

__all__ = [
    "CompressedMatrix",
    "GeneralMatrix",
    "Method",
    "SparseMatrix",
    "compress",
    "dense",
    "from_pairs",
    "read_general_matrix",
    "read_matrix",
    "read_vector",
    "row_range",
    "write_matrix",
    "write_vector",
]

GeneralMatrix = np.ndarray | CompressedMatrix | SparseMatrix
_STORAGE = {token: storage for storage, token in TOKENS.items()}
_BRACKET = re.compile(rb"\]")


def dense(m: GeneralMatrix) -> np.ndarray:
    """The values (rows, cols) of any kind of matrix."""
    return m if isinstance(m, np.ndarray) else m.dense()


def row_range(m: GeneralMatrix, start: int, count: int, pad: bool = False) -> GeneralMatrix:
    """Rows start .. start + count - 1; with `pad` rows outside repeat the first or last one.

    As Kaldi's ExtractRowRangeWithPadding: a compressed matrix is not decompressed. Raises ValueError if rows
    are missing.
    """
    if not isinstance(m, np.ndarray):
        return m.row_range(start, count, pad)
    if pad and count > 0 and len(m) > 0:
        return m[np.clip(np.arange(start, start + count), 0, len(m) - 1)]
    if count and not 0 <= start <= start + count <= len(m):
        raise ValueError(f"rows {start} to {start + count - 1} wanted, the matrix has {len(m)} rows")
    return m[start : start + count]


# -- writing


def write_matrix(target: KaldiOutput, m: Any) -> None:
    """A matrix in its own form: float64 as DM, other arrays as FM, CompressedMatrix, SparseMatrix.

    In text form a compressed matrix is written with its values. Raises ValueError unless it has two axes.
    """
    if isinstance(m, SparseMatrix):
        write_sparse(target, m)
    elif isinstance(m, CompressedMatrix) and target.binary:
        _write_compressed(target, m)
    else:
        _write_dense(target, _real(dense(m), 2))


def write_vector(target: KaldiOutput, values: np.ndarray) -> None:
    """A vector (D,): float64 as DV, everything else as FV. Raises ValueError if it has not one axis."""
    v = _real(values, 1)
    if target.binary:
        target.token("DV" if v.dtype == np.float64 else "FV")
        target.int32(len(v))
        target.write(v.tobytes())
    else:
        target.text(" [ " + "%.7g " * len(v) % tuple(v.tolist()) + "]\n")


def _real(values: Any, axes: int) -> np.ndarray:
    """Little-endian float64 if that is what it is, else float32."""
    v = np.asarray(values)
    if v.ndim != axes:
        raise ValueError(
            f"an array of shape {v.shape} cannot be written as a {'vector' if axes == 1 else 'matrix'}"
        )
    if v.dtype.kind not in "fiub":
        raise ValueError(f"values of type {v.dtype} cannot be written as numbers")
    return np.ascontiguousarray(v, "<f8" if v.dtype == np.float64 else "<f4")


def _write_dense(target: KaldiOutput, x: np.ndarray) -> None:
    if target.binary:
        target.token("DM" if x.dtype == np.float64 else "FM")
        target.int32(x.shape[0])
        target.int32(x.shape[1])
        target.write(x.tobytes())
    elif x.shape[1] == 0:
        target.text(" [ ]\n")
    else:
        row = "\n  " + "%.7g " * x.shape[1]
        target.text(" [")
        for values in x.tolist():
            target.text(row % tuple(values))
        target.text("]\n")


def _write_compressed(target: KaldiOutput, m: CompressedMatrix) -> None:
    if m.codes.size == 0:
        # Kaldi writes four stray bytes here, which break an archive; the plain empty matrix is read by all.
        _write_dense(target, np.zeros((0, 0), np.float32))
        return
    target.token(TOKENS[m.storage])
    target.write(np.array([m.min_value, m.value_range], "<f4").tobytes() + np.array(m.shape, "<i4").tobytes())
    if m.percentiles is not None:
        target.write(m.percentiles.astype("<u2").tobytes() + m.codes.T.tobytes())
    else:
        target.write(m.codes.astype("<u2" if m.storage == TWO_BYTES else "u1").tobytes())


# -- reading


def read_general_matrix(source: KaldiInput) -> GeneralMatrix:
    """A matrix as it is stored (Kaldi's GeneralMatrix::Read); text is read as float32."""
    if source.binary:
        kind = source.peek_byte()
        if kind == ord("C"):
            return _read_compressed(source)
        if kind == ord("S"):
            return read_sparse(source)
        return _read_binary(source)
    source.skip_space()
    return read_sparse(source) if source.peek_byte() == ord("r") else _read_text(source, np.float32)


def read_matrix(source: KaldiInput, dtype: Any = None) -> np.ndarray:
    """A dense matrix (rows, cols) of `dtype`, or as stored (text and compressed: float32)."""
    if not source.binary:
        return _read_text(source, dtype or np.float32)
    x = _read_compressed(source).dense() if source.peek_byte() == ord("C") else _read_binary(source)
    return _as(x, dtype)


def read_vector(source: KaldiInput, dtype: Any = None) -> np.ndarray:
    """A vector (D,) of `dtype`, or as stored (text: float32)."""
    if not source.binary:
        return _read_text_vector(source, dtype or np.float32)
    token = source.expect("FV", "DV")
    size = source.int32()
    if size < 0:
        source.error(f"a vector has the dimension {size}")
    return _as(source.array("<f4" if token == "FV" else "<f8", size, f"a vector of dimension {size}"), dtype)


def _as(x: np.ndarray, dtype: Any) -> np.ndarray:
    if dtype is None:
        return x
    with np.errstate(over="ignore", invalid="ignore"):
        return x.astype(dtype, copy=False)


def _read_binary(source: KaldiInput) -> np.ndarray:
    token = source.expect("FM", "DM")
    rows, cols = source.int32(), source.int32()
    _check_size(source, rows, cols)
    x = source.array("<f4" if token == "FM" else "<f8", rows * cols, f"a matrix of {rows} x {cols}")
    return x.reshape(rows, cols)


def _check_size(source: KaldiInput, rows: int, cols: int) -> None:
    if rows < 0 or cols < 0 or (rows == 0) != (cols == 0):
        source.error(f"a matrix has {rows} rows and {cols} columns")


def _read_compressed(source: KaldiInput) -> CompressedMatrix:
    storage = _STORAGE[source.expect(*_STORAGE)]
    low, width = source.array("<f4", 2, "the range of a compressed matrix")
    rows, cols = (int(n) for n in source.array("<i4", 2, "the size of a compressed matrix"))
    if cols == 0:
        rows = 0
    _check_size(source, rows, cols)
    what = f"a compressed matrix of {rows} x {cols}"
    if storage == SPEECH:
        source.need(cols * (8 + rows), what)
        percentiles = source.array("<u2", 4 * cols, what).reshape(cols, 4)
        codes = source.array("u1", rows * cols, what).reshape(cols, rows).T
        return CompressedMatrix(storage, low, width, codes, percentiles)
    codes = source.array("u1" if storage == ONE_BYTE else "<u2", rows * cols, what).reshape(rows, cols)
    return CompressedMatrix(storage, low, width, codes)


def _read_text(source: KaldiInput, dtype: Any) -> np.ndarray:
    lines = _bracketed(source, "a matrix").replace(";", "\n").split("\n")
    rows = [row for line in lines if (row := line.split())]
    cols = len(rows[0]) if rows else 0
    for r, row in enumerate(rows):
        if len(row) != cols:
            source.error(f"row {r} of a matrix has {len(row)} columns, the rows before have {cols}")
    return _numbers(source, [w for row in rows for w in row], dtype).reshape(len(rows), cols)


def _read_text_vector(source: KaldiInput, dtype: Any) -> np.ndarray:
    body = _bracketed(source, "a vector")
    if "\n" in body:
        source.error("a line ends within a vector; is it a matrix?")
    return _numbers(source, body.split(), dtype)


def _bracketed(source: KaldiInput, what: str) -> str:
    """What stands between [ and ]; the end of the line after it is consumed."""
    source.open_bracket()
    body = source.until(_BRACKET, what)
    source.close_bracket()
    source.end_line()
    return body.decode("ascii", "replace")


def _numbers(source: KaldiInput, words: list[str], dtype: Any) -> np.ndarray:
    try:
        values = np.array(list(map(float, words)), np.float64)
    except ValueError as error:
        source.error(f"expected numbers: {error}")
    if any("_" in w for w in words):
        source.error("expected numbers, found an underscore")
    return _as(values, dtype)

"""Kaldi's sparse matrices (SM): per row the columns with a value, in CSR arrays."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nnet.formats.reader import KaldiInput
from nnet.formats.writer import KaldiOutput, as_int32, number

_ROW = struct.Struct("<3sbibi")  # "SV ", size byte, dim, size byte, number of elements
_ELEMENT = np.dtype([("s", "u1"), ("index", "<i4"), ("t", "u1"), ("value", "<f4")])
_ELEMENT64 = np.dtype([("s", "u1"), ("index", "<i4"), ("t", "u1"), ("value", "<f8")])
_ROW_OF_ONE = np.dtype(
    [("head", "S4"), ("dim", "<i4"), ("count", "S6"), ("index", "<i4"), ("t", "u1"), ("value", "<f4")]
)


@dataclass(frozen=True, eq=False)
class SparseMatrix:
    """rows x cols; row r has `values[indptr[r]:indptr[r+1]]` in the rising columns `indices[...]`.

    `indptr` (rows + 1,) int64, `indices` (nnz,) int32, `values` (nnz,) float32.
    """

    rows: int
    cols: int
    indptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""
        return self.rows, self.cols

    def dense(self) -> np.ndarray:
        """The values (rows, cols), float32."""
        x = np.zeros(self.shape, np.float32)
        x[np.repeat(np.arange(self.rows), np.diff(self.indptr)), self.indices] = self.values
        return x

    def take(self, rows: np.ndarray) -> SparseMatrix:
        """The matrix of the given rows, in that order, repetitions allowed."""
        rows = np.asarray(rows, np.int64)
        counts = np.diff(self.indptr)[rows]
        indptr = np.concatenate([[0], np.cumsum(counts)])
        source = np.arange(indptr[-1]) + np.repeat(self.indptr[rows] - indptr[:-1], counts)
        return SparseMatrix(len(rows), self.cols, indptr, self.indices[source], self.values[source])

    def row_range(self, start: int, count: int, pad: bool = False) -> SparseMatrix:
        """Rows start .. start + count - 1; with `pad` rows outside repeat the first or last one."""
        if self.rows == 0 and count > 0:
            raise ValueError(f"{count} rows wanted of a matrix without rows")
        if not pad and not 0 <= start <= start + count <= self.rows:
            raise ValueError(f"rows {start} to {start + count - 1} wanted, the matrix has {self.rows} rows")
        return self.take(np.clip(np.arange(start, start + count), 0, max(self.rows - 1, 0)))


def from_pairs(rows: list[list[tuple[int, float]]], cols: int) -> SparseMatrix:
    """Rows given as (column, value); columns are sorted, values of equal columns added, zeros dropped.

    As Kaldi's SparseVector constructor. Raises ValueError for a column outside 0 .. cols - 1.
    """
    counts: list[int] = []
    indices: list[int] = []
    values: list[np.float32] = []
    for pairs in rows:
        merged: dict[int, np.float32] = {}
        for column, value in sorted(pairs, key=lambda p: p[0]):
            if not 0 <= column < cols:
                raise ValueError(f"column {column} of a sparse matrix with {cols} columns")
            merged[column] = merged.get(column, np.float32(0)) + np.float32(value)
        kept = {c: v for c, v in merged.items() if v != 0}
        counts.append(len(kept))
        indices += kept.keys()
        values += kept.values()
    indptr = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
    return SparseMatrix(len(rows), cols, indptr, np.array(indices, np.int32), np.array(values, np.float32))


def write_sparse(target: KaldiOutput, m: SparseMatrix) -> None:
    """As Kaldi's SparseMatrix::Write."""
    if not target.binary:
        _write_text(target, m)
        return
    target.token("SM")
    target.int32(m.rows)
    elements = np.empty(len(m.indices), _ELEMENT)
    elements["s"] = elements["t"] = 4
    elements["index"], elements["value"] = m.indices, m.values
    data, ends = elements.tobytes(), m.indptr.tolist()
    parts = []
    for start, end in pairwise(ends):
        parts += [_ROW.pack(b"SV ", 4, m.cols, 4, end - start), data[start * 10 : end * 10]]
    target.write(b"".join(parts))


def _write_text(target: KaldiOutput, m: SparseMatrix) -> None:
    target.text(f"rows={m.rows} ")
    ends = m.indptr.tolist()
    for start, end in pairwise(ends):
        pairs = zip(m.indices[start:end].tolist(), m.values[start:end].tolist())
        target.text(f"dim={m.cols} [ " + "".join(f"{i} {number(v)} " for i, v in pairs) + "] ")
    target.text("\n")


def read_sparse(source: KaldiInput) -> SparseMatrix:
    """As Kaldi's SparseMatrix::Read; columns must rise within a row and all rows have the same dimension."""
    if not source.binary:
        return _read_text(source)
    source.expect("SM")
    rows = source.int32()
    if rows < 0:
        source.error(f"a sparse matrix has {rows} rows")
    source.need(rows * _ROW.size, f"a sparse matrix of {rows} rows")
    return _rows_of_one(source, rows) or _any_rows(source, rows)


def _rows_of_one(source: KaldiInput, rows: int) -> SparseMatrix | None:
    """Quick path for the commonest matrix, one element in each row; None (nothing consumed) otherwise."""
    size = rows * _ROW_OF_ONE.itemsize
    if rows == 0 or source.ahead(min(size, 1 << 24)) < size:
        return None
    table = np.frombuffer(source.buffer, _ROW_OF_ONE, rows, source.position)
    cols = int(table["dim"][0])
    if (table["head"] != b"SV \4").any() or (table["count"] != b"\4\1\0\0\0\4").any():
        return None
    columns, values = table["index"].astype(np.int32), table["value"].astype(np.float32)
    if (table["t"] != 4).any() or (table["dim"] != cols).any() or columns.min() < 0 or columns.max() >= cols:
        return None
    source.position += size
    return SparseMatrix(rows, cols, np.arange(rows + 1), columns, values)


def _any_rows(source: KaldiInput, rows: int) -> SparseMatrix:
    counts, indices, values, cols = [], [], [], 0
    for r in range(rows):
        head, four, dim, also_four, count = _ROW.unpack(source.read_bytes(_ROW.size, "a sparse vector"))
        if head != b"SV " or four != 4 or also_four != 4:
            source.error(
                "expected a sparse vector (SV, dimension, number of elements)", source.offset - _ROW.size
            )
        cols = _same_dim(source, r, cols, dim)
        if not 0 <= count <= dim:
            source.error(f"a sparse vector of dimension {dim} has {count} elements")
        elements = _elements(source, count)
        _check_columns(source, elements["index"], dim)
        counts.append(count)
        indices.append(elements["index"])
        values.append(elements["value"])
    return _joined(rows, cols, counts, indices, values)


def _elements(source: KaldiInput, count: int) -> np.ndarray:
    """Pairs of a column and a value, which may be stored as float or double."""
    double = count > 0 and source.ahead(6) == 6 and source.buffer[source.position + 5] == 8
    elements = source.array(_ELEMENT64 if double else _ELEMENT, count, "elements of a sparse vector")
    if (elements["s"] != 4).any() or (elements["t"] != (8 if double else 4)).any():
        source.error("expected pairs of integer and float in a sparse vector")
    return elements


def _same_dim(source: KaldiInput, row: int, cols: int, dim: int) -> int:
    if dim < 0 or (row > 0 and dim != cols):
        source.error(f"row {row} of a sparse matrix has dimension {dim}, the rows before have {cols}")
    return dim


def _check_columns(source: KaldiInput, columns: np.ndarray, dim: int) -> None:
    if len(columns) and (
        columns[0] < 0 or columns[-1] >= dim or (np.diff(columns.astype(np.int64)) <= 0).any()
    ):
        source.error(
            f"the columns of a sparse vector must rise from 0 to {dim - 1}, found {columns[:5].tolist()}..."
        )


def _joined(rows: int, cols: int, counts: list, indices: list, values: list) -> SparseMatrix:
    indptr = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
    all_indices = np.concatenate([np.zeros(0, np.int32), *indices]).astype(np.int32)
    with np.errstate(over="ignore", invalid="ignore"):
        all_values = np.concatenate([np.zeros(0, np.float32), *values]).astype(np.float32)
    return SparseMatrix(rows, cols, indptr, all_indices, all_values)


def _read_text(source: KaldiInput) -> SparseMatrix:
    rows = _labelled(source, "rows")
    source.need(rows * len("dim=0 [ ]"), f"a sparse matrix of {rows} rows")
    counts, indices, values, cols = [], [], [], 0
    for r in range(rows):
        cols = _same_dim(source, r, cols, _labelled(source, "dim"))
        source.expect("[")
        words = source.until(re.compile(rb"\]"), "a sparse vector").split()
        source.close_bracket()
        try:
            index = as_int32([int(w) for w in words[::2]])
            value = np.array([float(w) for w in words[1::2]], np.float32)
        except ValueError:
            source.error("expected pairs of integer and number in a sparse vector")
        if len(index) != len(value):
            source.error("a column of a sparse vector has no value")
        _check_columns(source, index, cols)
        counts.append(len(index))
        indices.append(index)
        values.append(value)
    source.end_line()
    return _joined(rows, cols, counts, indices, values)


def _labelled(source: KaldiInput, label: str) -> int:
    """The integer of `label=integer`."""
    token = source.token()
    if not re.fullmatch(rf"{label}=\d{{1,9}}", token):
        source.error(f"expected {label}=integer, found {token[:40]}")
    return int(token.partition("=")[2])

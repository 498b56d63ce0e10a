"""Targets of an utterance by output frame: posteriors, an alignment or dense rows; and those of one chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnet.formats.matrix import SparseMatrix

Posterior = Sequence[Sequence[tuple[int, float]]]


@dataclass(frozen=True)
class SparseTargets:
    """Entries column[k], weight[k] of frame i for k in indptr[i] ... indptr[i+1] - 1.

    `unique`: the entries of each frame are sorted by column, without repetitions or zeros.
    """

    dim: int
    indptr: np.ndarray
    column: np.ndarray
    weight: np.ndarray
    unique: bool

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def rows(self, start: int, weights: np.ndarray) -> SparseMatrix:
        """Targets of len(weights) frames from `start`, scaled by `weights`; frames past the end are empty."""
        stop = min(start + len(weights), len(self))
        pointers = self.indptr[min(start, stop) : stop + 1]
        first, last = pointers[0], pointers[-1]
        sizes = np.zeros(len(weights), np.int64)
        sizes[: len(pointers) - 1] = pointers[1:] - pointers[:-1]
        column, values = self.column[first:last], self.weight[first:last]
        if weights.min() < 1:
            values = values * np.repeat(weights, sizes)
        if not self.unique:
            sizes, column, values = _merged(sizes, column, values)
        return SparseMatrix(len(sizes), self.dim, _pointers(sizes), column, values)

    def every(self, step: int) -> SparseTargets:
        """Only frames 0, step, 2 step, ..."""
        sizes = np.diff(self.indptr)
        keep = np.arange(len(self)) % step == 0
        entries = np.repeat(keep, sizes)
        return SparseTargets(
            self.dim, _pointers(sizes[keep]), self.column[entries], self.weight[entries], self.unique
        )


@dataclass(frozen=True)
class DenseTargets:
    """Real-valued targets (frames, dim)."""

    values: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, start: int, weights: np.ndarray) -> np.ndarray:
        """Targets of len(weights) frames from `start`, unscaled; past the end the last one is repeated."""
        return self.values.take(np.arange(start, start + len(weights)), axis=0, mode="clip")

    def every(self, step: int) -> DenseTargets:
        """Only frames 0, step, 2 step, ..."""
        return DenseTargets(self.values[::step])


Targets = SparseTargets | DenseTargets


def make_targets(value: Any, dim: int | None) -> Targets:
    """Targets from a posterior (list of lists of pairs), an alignment (integers (T,)) or an array (T, dim).

    Raises ValueError if a class is not in 0 ... dim - 1, an array has another width, a value is not finite,
    or classes come without `dim`.
    """
    if isinstance(value, np.ndarray) and value.ndim == 2:
        if dim not in (None, value.shape[1]):
            raise ValueError(f"targets have {value.shape[1]} columns, expected {dim}")
        _check_finite(value)
        return DenseTargets(np.ascontiguousarray(value, np.float32))
    if dim is None:
        raise ValueError("the number of classes is not known; only arrays (T, dim) tell their width")
    if not isinstance(value, np.ndarray):
        return posterior_targets(value, dim)
    _check_classes(value, dim)
    ones = np.ones(len(value), np.float32)
    return SparseTargets(dim, np.arange(len(value) + 1), value.astype(np.int32), ones, unique=True)


def posterior_targets(posterior: Posterior, dim: int) -> SparseTargets:
    """Targets from pairs (class, weight) for each frame, in any order; repeated classes add up."""
    sizes = np.fromiter(map(len, posterior), np.int64, len(posterior))
    flat = [pair for frame in posterior for pair in frame]
    column = np.array([c for c, _ in flat], np.int32)
    weight = np.array([w for _, w in flat], np.float32)
    _check_classes(column, dim)
    _check_finite(weight)
    row = np.repeat(np.arange(len(sizes)), sizes)
    key = row * dim + column
    unique = bool((np.diff(key) > 0).all() and weight.all())
    return SparseTargets(dim, _pointers(sizes), column, weight, unique)


def _check_classes(column: np.ndarray, dim: int) -> None:
    if len(column) and not (column.min() >= 0 and column.max() < dim):
        worst = column.max() if column.min() >= 0 else column.min()
        raise ValueError(f"class {worst} is not in 0 ... {dim - 1} (--num-pdfs={dim})")


def _check_finite(values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise ValueError("the targets have a NaN or an infinity")


def _pointers(sizes: np.ndarray) -> np.ndarray:
    pointers = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=pointers[1:])
    return pointers


def _merged(
    sizes: np.ndarray, column: np.ndarray, value: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entries sorted by column in each row, equal columns added up, zeros left out (Kaldi's SparseVector)."""
    row = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((column, row))
    row, column, value = row[order], column[order], value[order]
    first = np.ones(len(row), bool)
    first[1:] = (np.diff(row) != 0) | (np.diff(column) != 0)
    total = np.zeros(np.count_nonzero(first), value.dtype)
    np.add.at(total, np.cumsum(first) - 1, value)  # one after the other: pairwise sums round otherwise
    row, column = row[first], column[first]
    kept = total != 0
    return np.bincount(row[kept], minlength=len(sizes)), column[kept], total[kept]

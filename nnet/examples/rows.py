"""Rows of dense, compressed and sparse matrices, handled as Kaldi handles its GeneralMatrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnet.formats.compressed_stack import compress_stack, dense_stack
from nnet.formats.matrix import CompressedMatrix, GeneralMatrix, SparseMatrix, compress, dense

__all__ = ["GeneralMatrix", "append_rows", "compressed", "padded_stack", "scaled", "select_rows", "stacked"]


def compressed(m: GeneralMatrix) -> GeneralMatrix:
    """`m` compressed by the automatic method if it is an array; other matrices as they are."""
    return compress(m) if isinstance(m, np.ndarray) and m.size else m


def padded_stack(m: GeneralMatrix, starts: Sequence[int], count: int, compress: bool) -> list[GeneralMatrix]:
    """For each start rows start ... start + count - 1, first and last row repeated where they lie outside.

    Compressed matrices keep their codes (ExtractRowRangeWithPadding); arrays are compressed if `compress`.
    """
    if not isinstance(m, np.ndarray):
        return [m.row_range(start, count, pad=True) for start in starts]
    wanted = np.asarray(starts)[:, None] + np.arange(count)
    stack = m.astype(np.float32, copy=False).take(wanted, axis=0, mode="clip")
    return list(compress_stack(stack)) if compress else list(stack)


def stacked(matrices: Sequence[GeneralMatrix]) -> np.ndarray:
    """Values of equal-sized matrices as (rows, matrices, cols), decompressed at one go if stored alike."""
    packed = [m for m in matrices if isinstance(m, CompressedMatrix)]
    if len(packed) == len(matrices) and len({m.storage for m in packed}) == 1:
        return dense_stack(packed)
    return np.stack([dense(m) for m in matrices], axis=1).astype(np.float32, copy=False)


def append_rows(parts: Sequence[GeneralMatrix]) -> GeneralMatrix:
    """All rows one after the other: sparse if all parts are sparse, else dense (AppendGeneralMatrixRows)."""
    sparse = [p for p in parts if isinstance(p, SparseMatrix)]
    if len(sparse) < len(parts):
        if len({p.shape for p in parts}) == 1:
            return stacked(parts).transpose(1, 0, 2).reshape(-1, parts[0].shape[1])
        return np.concatenate([dense(p) for p in parts]).astype(np.float32, copy=False)
    entries = np.cumsum([0] + [p.indptr[-1] for p in sparse])
    indptr = np.concatenate([[0], *(p.indptr[1:] + first for p, first in zip(sparse, entries))])
    return SparseMatrix(
        len(indptr) - 1,
        sparse[0].cols,
        indptr,
        np.concatenate([p.indices for p in sparse]),
        np.concatenate([p.values for p in sparse]),
    )


def select_rows(m: GeneralMatrix, keep: np.ndarray) -> GeneralMatrix:
    """The rows where `keep` is true; a compressed matrix becomes dense unless all are, as in Kaldi."""
    if keep.all():
        return m
    return m.take(np.flatnonzero(keep)) if isinstance(m, SparseMatrix) else dense(m)[keep]


def scaled(m: GeneralMatrix, alpha: float) -> GeneralMatrix:
    """All values times `alpha`; a compressed matrix keeps its codes."""
    if isinstance(m, CompressedMatrix):
        return m.scale(alpha)
    if isinstance(m, SparseMatrix):
        return SparseMatrix(m.rows, m.cols, m.indptr, m.indices, m.values * np.float32(alpha))
    return m * np.float32(alpha)

"""Kaldi's files of LDA statistics (`<LDAACCS>`), as nnet3-acc-lda-stats writes them."""

from __future__ import annotations

import struct

import numpy as np

from nnet.formats.basic import KaldiInput, KaldiOutput
from nnet.formats.writer import number


def read_lda_stats(source: KaldiInput) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(count (C,), sum (C, D), scatter (D, D)) in float64. The file holds the scatter about the class means
    in single precision; returned is that about the origin. Raises FormatError.
    """
    source.expect("<LDAACCS>")
    source.expect("<VECSIZE>")
    dim = source.int32()
    source.expect("<NUMCLASSES>")
    classes = source.int32()
    if dim < 0 or classes < 0:
        source.error(f"statistics of dimension {dim} for {classes} classes")
    source.expect("<ZERO_ACCS>")
    count = source.vector().astype(np.float64)
    source.expect("<FIRST_ACCS>")
    total = source.matrix().astype(np.float64)
    source.expect("<SECOND_ACCS>")
    scatter = _read_symmetric(source)
    source.expect("</LDAACCS>")
    if count.shape != (classes,) or total.shape != (classes, dim) or scatter.shape != (dim, dim):
        source.error(
            f"statistics for {classes} classes and dimension {dim} have the shapes {count.shape}, "
            f"{total.shape}, {scatter.shape}"
        )
    return count, total, scatter + _between(count, total)


def write_lda_stats(target: KaldiOutput, count: np.ndarray, total: np.ndarray, scatter: np.ndarray) -> None:
    """Write count (C,), sum (C, D), scatter about the origin (D, D) in the form that read_lda_stats reads."""
    target.token("<LDAACCS>")
    target.token("<VECSIZE>")
    target.int32(total.shape[1])
    target.token("<NUMCLASSES>")
    target.int32(total.shape[0])
    target.token("<ZERO_ACCS>")
    target.vector(count.astype(np.float32))
    target.token("<FIRST_ACCS>")
    target.matrix(total.astype(np.float32))
    target.token("<SECOND_ACCS>")
    write_packed(target, (scatter - _between(count, total)).astype(np.float32))
    target.token("</LDAACCS>")


def _between(count: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Sum over classes of sum sum' / count."""
    seen = count != 0
    return (total[seen] / count[seen, None]).T @ total[seen]


def _read_symmetric(source: KaldiInput) -> np.ndarray:
    if source.binary:
        kind = source.expect("FP", "DP")
        size = source.int32()
        count = size * (size + 1) // 2
        packed = source.array("<f4" if kind == "FP" else "<f8", count, f"a symmetric matrix of size {size}")
    else:
        source.open_bracket()
        words = []
        source.skip_space()
        while source.peek_byte() != ord("]"):
            words.append(source.double())
            source.skip_space()
        source.close_bracket()
        packed = np.array(words)
        size = int((2 * len(words) + 0.25) ** 0.5 - 0.5 + 1e-9)
        if size * (size + 1) // 2 != len(words):
            source.error(f"{len(words)} numbers are no lower triangle of a matrix")
    lower = np.zeros((size, size))
    lower[np.tril_indices(size)] = packed
    return lower + np.tril(lower, -1).T


def write_packed(target: KaldiOutput, matrix: np.ndarray) -> None:
    """The lower triangle of a symmetric or triangular float32 matrix (Kaldi's PackedMatrix::Write)."""
    size = len(matrix)
    if target.binary:
        target.token("FP")
        target.write(struct.pack("<bi", 4, size) + matrix[np.tril_indices(size)].tobytes())
    else:
        rows = ("".join(f"{number(v)} " for v in matrix[i, : i + 1].tolist()) for i in range(size))
        target.text("[\n" + "\n".join(rows) + "]\n" if size else "[ ]\n")

"""Parts of matrices and vectors that a script file names: `feats.ark:123[0:99]`, `feats.ark:123[:,0:12]`."""

from __future__ import annotations

import re

import numpy as np

from nnet.formats.matrix import GeneralMatrix, dense

TOLERANCE = 3  # rows that a range may exceed the matrix by: frames at the end depend on rounding of the times


def split_range(place: str) -> tuple[str, str | None]:
    """`feats.ark:123[0:99]` -> ("feats.ark:123", "0:99"); without a range the second is None."""
    if not place.endswith("]"):
        return place, None
    parts = place[:-1].split("[")
    if len(parts) != 2 or not all(parts):
        raise ValueError(f"{place!r}: expected a range like [0:99] or [0:99,0:12] at the end")
    return parts[0], parts[1]


def matrix_range(m: GeneralMatrix, text: str) -> np.ndarray:
    """Rows and columns a to b (both included) of a matrix, as [a:b], [a:b,c:d] or with a colon alone for all.

    As Kaldi, an end that exceeds the last row by at most 3 is clipped. Raises ValueError for any other range
    that the matrix does not hold.
    """
    rows, comma, cols = text.partition(",")
    x = dense(m)
    return np.ascontiguousarray(
        x[_slice(rows, x.shape[0], TOLERANCE, text), _slice(cols if comma else ":", x.shape[1], 0, text)]
    )


def vector_range(v: np.ndarray, text: str) -> np.ndarray:
    """Elements a to b (both included) of a vector, by the rule of `matrix_range`."""
    return v[_slice(text, len(v), TOLERANCE, text)]


def _slice(text: str, size: int, tolerance: int, whole: str) -> slice:
    if text == ":" and size > 0:
        return slice(0, size)
    match = re.fullmatch(r"\+?(\d{1,9}):\+?(\d{1,9})", text)
    if match:
        first, last = int(match.group(1)), int(match.group(2))
        if first <= last < size + tolerance and first < size:
            return slice(first, min(last + 1, size))
    raise ValueError(f"the range [{whole}] does not fit: {text} of {size}")

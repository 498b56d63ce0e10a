"""Sums of gathered rows: a sparse matrix times a dense one with many columns, in plain array operations."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnet.backend import Array, array_module

LONGEST = 32  # entries of a row added one after the other; longer rows are cut into pieces


def gather(x: Array, rows: Array, out: Array | None = None) -> Array:
    """x[rows] of (C, N) as (K, N), into `out` if given."""
    xp = array_module(x)
    how = {"mode": "clip"} if xp is np else {}  # numpy's other mode is several times slower
    return xp.take(x, rows, axis=0, out=out, **how)


class GatherSum:
    """y[r] = sum of weights[i] * x[columns[i]] over entries i with rows[i] = r; x (C, N), y (num_rows, N).

    Pieces of rows are sorted by length, so that step k adds entry k of all pieces that have one: whole rows
    of N values, without the (entries, N) array that a gather and a reduction would need (15 times slower).
    """

    def __init__(self, rows: np.ndarray, columns: np.ndarray, weights: np.ndarray | None, num_rows: int):
        order = np.argsort(rows, kind="stable")
        degree = np.bincount(rows, minlength=num_rows)
        pieces = -(-degree // LONGEST)  # of each row
        owner = np.repeat(np.arange(num_rows), pieces)
        number = np.arange(len(owner)) - (np.cumsum(pieces) - pieces)[owner]  # of a piece within its row
        start = (np.cumsum(degree) - degree)[owner] + number * LONGEST
        length = np.minimum(degree[owner] - number * LONGEST, LONGEST)
        by_length = np.argsort(-length, kind="stable")
        self.num_rows, self.num_pieces = num_rows, len(owner)
        self._steps: list[tuple[np.ndarray, np.ndarray | None]] = []
        for k in range(int(length.max(initial=0))):
            entries = order[start[by_length[: int((length > k).sum())]] + k]
            self._steps.append((columns[entries], None if weights is None else weights[entries, None]))
        place = np.empty(len(owner), np.int64)
        place[by_length] = np.arange(len(owner))
        self._first = np.full(num_rows, len(owner))  # rows without entries: the row of zeros after all pieces
        self._first[owner[number == 0]] = place[number == 0]
        self._more = [
            (owner[number == m], place[number == m]) for m in range(1, int(number.max(initial=0)) + 1)
        ]
        self._prepared: dict[tuple[str, Any], tuple[list, Array, list]] = {}

    def __call__(self, x: Array) -> Array:
        """The product, of x's type and on x's device."""
        xp = array_module(x)
        steps, first, more = self._on(xp, x.dtype)
        total = xp.empty((self.num_pieces + 1, x.shape[1]), x.dtype)
        total[self.num_pieces :] = 0
        gathered = xp.empty_like(total)
        for k, (columns, weights) in enumerate(steps):
            part = (gathered if k else total)[: len(columns)]
            gather(x, columns, part)
            if weights is not None:
                part *= weights
            if k:
                total[: len(columns)] += part
        y = gather(total, first)
        for rows, places in more:
            y[rows] += total[places]
        return y

    def _on(self, xp: Any, dtype: Any) -> tuple[list, Array, list]:
        """The index arrays on a device, the weights of a type; made once."""
        key = (xp.__name__, dtype)
        if key not in self._prepared:
            steps = [
                (xp.asarray(c), None if w is None else xp.asarray(w.astype(dtype))) for c, w in self._steps
            ]
            more = [(xp.asarray(r), xp.asarray(p)) for r, p in self._more]
            self._prepared[key] = steps, xp.asarray(self._first), more
        return self._prepared[key]

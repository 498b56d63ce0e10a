"""Rows whose columns lie in several arrays: products with a spliced matrix that is never put together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nnet.backend import Array, array_module
from nnet.kernels.products import multiply
from nnet.kernels.rows import joined
from nnet.kernels.sums import column_sums, row_products


class Columns:
    """The matrix X = [X_1 X_2 ... X_K 1], (N, D): blocks side by side, on demand a column of ones last.

    A time-delay layer multiplies shifted views of one array; its update needs X only in products.
    """

    def __init__(self, blocks: Sequence[Array], ones: bool = False):
        self.blocks = tuple(blocks)
        self.ones = ones
        self.xp = array_module(self.blocks[0])
        self.dtype = self.blocks[0].dtype

    @property
    def shape(self) -> tuple[int, int]:
        """(N, D), the column of ones counted."""
        return len(self.blocks[0]), sum(x.shape[1] for x in self.blocks) + self.ones

    def times(self, W: Array) -> Array:
        """X Wᵀ, (N, R), for W (R, D)."""
        total = None
        start = 0
        for x in self.blocks:
            total = multiply(x, W[:, start : start + x.shape[1]].T, total, add=total is not None)
            start += x.shape[1]
        if self.ones:
            total += W[:, -1]
        return total

    def under(self, H: Array) -> Array:
        """Hᵀ X, (R, D), for H (N, R)."""
        if len(self.blocks) == 1 and not self.ones:
            return multiply(H.T, self.blocks[0])
        out = self.xp.empty((H.shape[1], self.shape[1]), self.dtype)
        start = 0
        for x in self.blocks:
            multiply(H.T, x, out[:, start : start + x.shape[1]])
            start += x.shape[1]
        if self.ones:
            out[:, -1] = column_sums(H)
        return out

    def sumsq(self) -> Array:
        """Squared Frobenius norm, a float64 scalar where the blocks lie."""
        total = sum(sumsq(x) for x in self.blocks)
        return total + len(self.blocks[0]) if self.ones else total

    def pieces(self) -> Iterator[Array]:
        """The blocks, and the column of ones as the last if there is one."""
        yield from self.blocks
        if self.ones:
            yield self.xp.ones((len(self.blocks[0]), 1), self.dtype)

    def dense(self) -> Array:
        """X as one array; the only block itself if there is no other column."""
        pieces = tuple(self.pieces())
        return pieces[0] if len(pieces) == 1 else joined(pieces, axis=1)


def sumsq(x: Array) -> Array:
    """Squared Frobenius norm of x (N, D), rows in x's precision, their sum in float64."""
    return row_products(x, x).sum(dtype=np.float64)

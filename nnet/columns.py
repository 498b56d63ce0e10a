"""Rows whose columns lie in several arrays: products with a spliced matrix that is never put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise

import numpy as np

from nnet.backend import Array, array_module
from nnet.cores import together
from nnet.kernels.narrow import multiply_narrow, narrow, pays
from nnet.kernels.products import multiply
from nnet.kernels.rows import joined
from nnet.kernels.sums import column_sums, sumsq

NARROW = 32  # rows of W: products with so few take as long as reading what they multiply


@dataclass(frozen=True)
class Windows:
    """Views rows[s : s + n] of one array (M, D), for each s of `starts`: what a TDNN layer multiplies."""

    rows: Array
    starts: tuple[int, ...]
    n: int

    def views(self) -> list[Array]:
        """Each (n, D)."""
        return [self.rows[s : s + self.n] for s in self.starts]

    @property
    def pay(self) -> bool:
        """Whether the views share enough rows that reading each once is worth its trouble."""
        span = max(self.starts) - min(self.starts)
        return array_module(self.rows) is np and len(self.starts) > 1 and 2 * span <= self.n

    def times(self, W: Array) -> Array:
        """The sum of rows[s_k : s_k + n] W_kᵀ, (n, R), for W (R, >= K D), W_k side by side.

        One product with all W_k, then K narrow sums: for two views of (2080, 768) and R = 20 0.9 ms, not 1.3.
        """
        (R, K), D = (len(W), len(self.starts)), self.rows.shape[1]
        first, last = min(self.starts), max(self.starts) + self.n
        stacked = W[:, : K * D].reshape(R, K, D).transpose(1, 0, 2).reshape(K * R, D)
        parts = multiply(self.rows[first:last], stacked.T)
        shown = [parts[s - first :][: self.n, k * R : (k + 1) * R] for k, s in enumerate(self.starts)]
        total = shown[0] + shown[1]
        for part in shown[2:]:
            total += part
        return total

    def sumsq(self) -> Array:
        """The sum of the squared Frobenius norms of the views."""
        ends = sorted({*self.starts, *(s + self.n for s in self.starts)})
        covers = [sum(s <= a < s + self.n for s in self.starts) for a in ends]
        return sum(c * sumsq(self.rows[a:b]) for c, (a, b) in zip(covers, pairwise(ends)) if c)


@dataclass(frozen=True)
class Narrow:
    """X in bfloat16, and its squared Frobenius norm, which is that of X itself."""

    blocks: Sequence[np.ndarray]
    ones: bool
    energy: float

    def times(self, W: np.ndarray) -> np.ndarray:
        """X Wᵀ, (N, R), for W (R, D) in float32, but W rounded too."""
        total, start = np.empty((len(W), len(self.blocks[0])), np.float32), 0
        rounded, _ = narrow(W)
        for x in self.blocks:  # (W X')': X itself is better read once by many rows of W than by few columns
            multiply_narrow(rounded[:, start : start + x.shape[1]], x.T, total, add=start > 0)
            start += x.shape[1]
        if self.ones:
            total += W[:, -1:]
        return total.T


class Columns:
    """The matrix X = [X_1 X_2 ... X_K 1], (N, D): blocks side by side, on demand a column of ones last.

    A time-delay layer multiplies shifted views of one array; it needs X only in products.
    """

    def __init__(self, blocks: Sequence[Array] | Windows, ones: bool = False):
        self._given = blocks
        self._windows = blocks if isinstance(blocks, Windows) and blocks.pay else None
        self.blocks = tuple(blocks.views() if isinstance(blocks, Windows) else blocks)
        self.ones = ones
        self.xp = array_module(self.blocks[0])
        self.dtype = self.blocks[0].dtype

    def with_ones(self) -> Columns:
        """The same with a column of ones last."""
        return Columns(self._given, ones=True)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, D), the column of ones counted."""
        return len(self.blocks[0]), sum(x.shape[1] for x in self.blocks) + self.ones

    def times(self, W: Array) -> Array:
        """X Wᵀ, (N, R), for W (R, D)."""
        total = self._windows.times(W) if self._windows and len(W) <= NARROW else None
        start = 0
        for x in self.blocks if total is None else ():
            total = multiply(x, W[:, start : start + x.shape[1]].T, total, add=total is not None)
            start += x.shape[1]
        if self.ones:
            total += W[:, -1]
        return total

    def under(self, H: Array) -> Array:
        """Hᵀ X, (R, D), for H (N, R)."""
        out = self.xp.empty((H.shape[1], self.shape[1]), self.dtype)
        together(self.parts_under(H, out))
        return out

    def parts_under(self, H: Array, out: Array) -> list[Callable[[], object]]:
        """The pieces of work that put Hᵀ X into `out`, (R, D): columns of it each."""
        ends = list(accumulate(x.shape[1] for x in self.blocks))
        places = [out[:, end - x.shape[1] : end] for x, end in zip(self.blocks, ends)]
        works: list[Callable[[], object]] = [
            partial(multiply, H.T, x, place) for x, place in zip(self.blocks, places)
        ]
        if self.ones:
            works.append(lambda: out[:, -1].__setitem__(slice(None), column_sums(H)))
        return works

    def sumsq(self) -> Array:
        """Squared Frobenius norm, a float64 scalar where the blocks lie."""
        total = self._windows.sumsq() if self._windows else sum(sumsq(x) for x in self.blocks)
        return total + len(self.blocks[0]) if self.ones else total

    @property
    def narrows(self) -> bool:
        """Whether X is the host's, in float32, and products in bfloat16 are faster."""
        return self.xp is np and self.dtype == np.float32 and pays()

    def narrow(self) -> Narrow | None:
        """The same in bfloat16; None unless it `narrows`."""
        if not self.narrows:
            return None
        if self._windows:
            rows, starts, n = self._windows.rows, self._windows.starts, self._windows.n
            whole, _ = narrow(rows)
            return Narrow([whole[s : s + n] for s in starts], self.ones, self.sumsq())
        blocks, energies = zip(*map(narrow, self.blocks))
        return Narrow(blocks, self.ones, sum(energies) + self.ones * len(blocks[0]))

    def pieces(self) -> Iterator[Array]:
        """The blocks, and the column of ones as the last if there is one."""
        yield from self.blocks
        if self.ones:
            yield self.xp.ones((len(self.blocks[0]), 1), self.dtype)

    def dense(self) -> Array:
        """X as one array; the only block itself if there is no other column."""
        pieces = tuple(self.pieces())
        return pieces[0] if len(pieces) == 1 else joined(pieces, axis=1)

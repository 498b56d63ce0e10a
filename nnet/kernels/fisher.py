"""Natural gradient on a device: the small problems of all layers in two launches, nothing goes to the host.

A layer whose estimate is due hands in J = H'X and L, and goes on; `settle` solves what was handed in, by
Jacobi's method for the eigenvalues, by Cholesky's where rounding has turned rows of W. An update that is not
finite, or whose rows cannot be set at right angles again, is left out: the estimate stays as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnet.backend import Array, array_module
from nnet.kernels.launch import THREADS, elementwise, kernel
from nnet.kernels.products import multiply

MOST_RANK = 512


class Fisher:
    """One estimate: W (R, D) on a device, with d (R,) and rho there too, `floor` each at first."""

    def __init__(self, W: Array, floor: float):
        if len(W) > MOST_RANK:
            raise ValueError(f"natural gradient: rank {len(W)} is above {MOST_RANK}, the most on a GPU")
        self.W = W
        self.settings = (0.0, 0.0, 0.0, 0.0)
        self.pending: Array | None = None
        self.batch, self.index = Batch([self]), 0
        self.batch.d[:] = floor
        self.batch.rho[:] = floor

    def hand_in(self, J: Array, L: Array, energy: Array, settings: tuple[float, float, float, float]) -> None:
        """Leave J (R, D), L (R, R) and tr(XX') for the next `settle`; settings: eta, rows, columns, alpha."""
        at, b = self.index, self.batch
        multiply(J, J.T, b.part(b.K, at), exact=True)
        b.part(b.L, at)[...] = L
        b.trace[at : at + 1] = energy
        self.settings = settings
        self.pending = J


class Batch:
    """Room for the problems of several estimates, each in its slot; their places stay where they are."""

    def __init__(self, members: Sequence[Fisher]):
        W = members[0].W
        xp, dtype = array_module(W), W.dtype
        self.members = list(members)
        self.ranks = [len(f.W) for f in members]
        n, most = len(members), max(self.ranks)
        self.most = most
        self.K, self.L, self.O, self.A = (xp.zeros((n, most * most), dtype) for _ in range(4))
        self.Z, self.U, self.T = (xp.zeros((n, most * most), np.float64) for _ in range(3))
        self.d, self.new_d, self.root = (xp.zeros((n, most), np.float64) for _ in range(3))
        self.rho, self.new_rho, self.trace = (xp.zeros(n, np.float64) for _ in range(3))
        self.b = xp.zeros((n, most), dtype)
        self.verdict = xp.zeros(n, np.int32)
        self.ranks_there = xp.asarray(np.array(self.ranks, np.int32))
        self._sent: dict[Any, tuple[Array, Array]] = {}

    def part(self, whole: Array, at: int) -> Array:
        """The matrix (R, R) of one problem."""
        R = self.ranks[at]
        return whole[at, : R * R].reshape(R, R)

    def tasks(self, due: Sequence[Fisher]) -> tuple[Array, Array]:
        """The slots (n,) of some members and their settings (n, 4), on the device: sent once, then kept."""
        key = tuple((f.index, f.settings) for f in due)
        if key not in self._sent:
            xp = array_module(self.K)
            slots = np.array([f.index for f in due], np.int32)
            self._sent[key] = xp.asarray(slots), xp.asarray(np.array([f.settings for f in due], np.float64))
        return self._sent[key]


def settle(fishers: Sequence[Fisher]) -> None:
    """Move every estimate on for which something was handed in."""
    due = [f for f in fishers if f.pending is not None]
    if not due:
        return
    batch = _together(due)
    slots, settings = batch.tasks(due)
    W, grid, most = due[0].W, (len(due),), np.int32(batch.most)
    problem = slots, batch.K, batch.L, batch.trace, settings, batch.ranks_there, batch.d, batch.rho
    made = batch.A, batch.b, batch.new_d, batch.new_rho, batch.root, batch.verdict
    kernel(W, "fisher", "solve")(grid, (THREADS,), (*problem, batch.Z, batch.U, *made, most))
    new = [_moved(f) for f in due]
    kept = batch.Z, batch.T, batch.d, batch.rho, batch.new_d, batch.new_rho, batch.verdict
    angles = slots, batch.O, batch.ranks_there, batch.root, *kept, most
    kernel(W, "fisher", "right_angles")(grid, (THREADS,), angles)
    for f, made_W in zip(due, new):
        last = np.int32(f.index), np.int32(len(made_W)), most
        elementwise(W, "fisher", "adopt", made_W.shape[1], f.W, made_W, batch.T, batch.verdict, *last)
        f.pending = None


def _moved(f: Fisher) -> Array:
    """W' = A (J + diag(b) W), and W' W'' in the batch."""
    b, R, J = f.batch, len(f.W), f.pending
    assert J is not None
    J += b.b[f.index, :R, None] * f.W
    W = multiply(b.part(b.A, f.index), J, exact=True)
    multiply(W, W.T, b.part(b.O, f.index), exact=True)
    return W


def _together(due: Sequence[Fisher]) -> Batch:
    """The batch of all these estimates: made when they first meet, with those that were with them before."""
    batch = due[0].batch
    if all(f.batch is batch for f in due):
        return batch
    members = {id(f): f for one in due for f in one.batch.members}
    batch = Batch(list(members.values()))
    for i, f in enumerate(batch.members):
        R, old, at = len(f.W), f.batch, f.index
        for name in ("K", "L"):
            batch.part(getattr(batch, name), i)[...] = old.part(getattr(old, name), at)
        batch.d[i, :R] = old.d[at, :R]
        for name in ("rho", "trace"):
            getattr(batch, name)[i : i + 1] = getattr(old, name)[at : at + 1]
        f.batch, f.index = batch, i
    return batch

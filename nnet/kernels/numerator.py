"""Forward-backward over what supervisions allow, on a device: a launch for each frame and direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType

import numpy as np

from nnet.backend import Array, array_module
from nnet.kernels.launch import elementwise

NO_CELL = -1


@dataclass(frozen=True)
class Layers:
    """Places in layers, and arcs from each layer to the next, as columns in the order of their layers.

    `first` (K + 2,): where the places of each of K + 1 layers start. Arcs: `arcs` (K + 1,) where those that
    leave each layer start, `source` and `target` places, `cell` of the output or NO_CELL, log probability
    `weight`. `initial`: log probabilities of the first layer. The last layer has one place a sequence.
    """

    first: np.ndarray
    arcs: np.ndarray
    source: np.ndarray
    target: np.ndarray
    cell: np.ndarray
    weight: np.ndarray
    initial: np.ndarray


def forward_backward(layers: Layers, output: Array, with_posterior: bool) -> tuple[Array, Array | None]:
    """Log probability of each sequence, float64 (N,), and posteriors of the cells of `output`, of its shape
    and type. One upload of integers and one of numbers; nothing leaves the device.
    """
    xp, first = array_module(output), layers.first
    y, size = xp.ascontiguousarray(output), int(first[-1])
    by_target = _Sorted(layers.target, size, (layers.source, layers.cell), layers.weight)
    by_source = _Sorted(layers.source, size, (layers.target, layers.cell), layers.weight)
    step = np.repeat(np.arange(len(layers.arcs) - 1), np.diff(layers.arcs))
    cells = _Cells(layers, step)
    entering, leaving, through = _uploaded(xp, (by_target, by_source, cells.sorted))
    at = xp.asarray(cells.cell.astype(np.int32))
    alpha = xp.empty(size, np.float64)
    alpha[: first[1]] = xp.asarray(layers.initial)
    for start, stop in pairwise(first[1:]):
        elementwise(y, "numerator", "forward", stop - start, alpha, y, *entering, np.int32(start))
    log_prob = alpha[first[-2] :]
    if not with_posterior:
        return log_prob, None
    posterior, beta = xp.zeros_like(y), xp.empty(size, np.float64)
    beta[first[-2] :] = -log_prob
    cell_first, cell_source, cell_target, cell_weight = through
    of_cells = cell_first, at, cell_source, cell_target, cell_weight
    for k in range(len(first) - 3, -1, -1):
        places, found = first[k + 1] - first[k], cells.first[k + 1] - cells.first[k]
        where = np.int32(first[k]), np.int32(places), np.int32(cells.first[k])
        arrays = beta, posterior, alpha, y, *leaving, *of_cells
        elementwise(y, "numerator", "backward", places + found, *arrays, *where)
    return log_prob, posterior


class _Sorted:
    """Arcs sorted by a key below `size`: where those of each key start, other columns, weights."""

    def __init__(self, key: np.ndarray, size: int, columns: Sequence[np.ndarray], weight: np.ndarray):
        order = np.argsort(key, kind="stable")
        start = np.searchsorted(key[order], np.arange(size + 1))
        self.integers = [start, *(c[order] for c in columns)]
        self.weight = weight[order]


class _Cells:
    """The cells that arcs of a step use, each once: `first` (K + 1,) of each step, `cell`; their arcs."""

    def __init__(self, layers: Layers, step: np.ndarray):
        used = layers.cell != NO_CELL
        key = step[used] * (int(layers.cell.max()) + 1) + layers.cell[used]
        found, number = np.unique(key, return_inverse=True)
        of_step, self.cell = np.divmod(found, int(layers.cell.max()) + 1)
        self.first = np.searchsorted(of_step, np.arange(len(layers.arcs)))
        self.sorted = _Sorted(
            number, len(found), (layers.source[used], layers.target[used]), layers.weight[used]
        )


def _uploaded(cupy: ModuleType, tables: Sequence[_Sorted]) -> list[tuple[Array, ...]]:
    """The columns of all tables on the device, weights last of each; two uploads."""
    columns = [c.astype(np.int32) for table in tables for c in table.integers]
    integers = cupy.asarray(np.concatenate(columns))
    weights = cupy.asarray(np.concatenate([table.weight for table in tables]))
    found, at, weight_at = [], 0, 0
    for table in tables:
        parts = []
        for c in table.integers:
            parts.append(integers[at : at + len(c)])
            at += len(c)
        parts.append(weights[weight_at : weight_at + len(table.weight)])
        weight_at += len(table.weight)
        found.append(tuple(parts))
    return found

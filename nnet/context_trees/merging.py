"""Merging leaves bottom up where that costs least likelihood (Kaldi's ClusterBottomUp)."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnet.context_trees.statistics import objective

STALE = 1e-5  # relative difference from which on a queued cost counts as outdated


@dataclass
class Gaussian:
    """Statistics of a cluster."""

    count: float
    sums: np.ndarray
    squares: np.ndarray

    def __add__(self, other: Gaussian) -> Gaussian:
        return Gaussian(self.count + other.count, self.sums + other.sums, self.squares + other.squares)

    def objective(self) -> np.float32:
        """Log-likelihood of its frames."""
        return objective(self.count, self.sums, self.squares)


@dataclass
class Merger:
    """Clusters of several compartments; only those of one compartment are merged with each other."""

    compartments: Sequence[Sequence[Gaussian]]
    threshold: float = float("inf")
    min_clusters: int = 0

    def __post_init__(self) -> None:
        self.clusters: list[list[Gaussian | None]] = [list(c) for c in self.compartments]
        self.values = [[g.objective() for g in c] for c in self.compartments]
        self.goes_to = [list(range(len(c))) for c in self.compartments]
        self.costs: dict[tuple[int, int, int], np.float32] = {}
        self.queue: list[tuple[float, int, int, int]] = []
        self.left = sum(map(len, self.compartments))

    def run(self) -> list[list[int]]:
        """For each compartment and point the number of its cluster, counted in order of those that are left;
        the later of two merged clusters stays.
        """
        for c, points in enumerate(self.compartments):
            for i in range(len(points)):
                for j in range(i):
                    if self._cost(c, i, j) <= self.threshold:
                        self._queue(c, i, j)
        heapq.heapify(self.queue)
        while self.left > self.min_clusters and self.queue:
            cost, c, i, j = heapq.heappop(self.queue)
            alive = self.clusters[c][i] is not None and self.clusters[c][j] is not None
            if alive and abs(self.costs[c, i, j] - cost) <= STALE * abs(cost):
                self._merge(c, i, j)
        return [self._numbers(c) for c in range(len(self.compartments))]

    def _cost(self, c: int, i: int, j: int) -> np.float32:
        a, b = self.clusters[c][i], self.clusters[c][j]
        assert a is not None and b is not None
        loss = np.float32(self.values[c][i] + self.values[c][j]) - (a + b).objective()
        self.costs[c, i, j] = max(np.float32(loss), np.float32(0))
        return self.costs[c, i, j]

    def _queue(self, c: int, i: int, j: int) -> None:
        heapq.heappush(self.queue, (float(self.costs[c, i, j]), c, i, j))

    def _merge(self, c: int, i: int, j: int) -> None:
        a, b = self.clusters[c][i], self.clusters[c][j]
        assert a is not None and b is not None
        merged = a + b
        self.clusters[c][i], self.clusters[c][j] = merged, None
        self.values[c][i] = merged.objective()
        self.goes_to[c][j] = i
        self.left -= 1
        for k, other in enumerate(self.clusters[c]):
            if k != i and other is not None:
                pair = (i, k) if k < i else (k, i)
                if self._cost(c, *pair) < self.threshold:
                    self._queue(c, *pair)

    def _numbers(self, c: int) -> list[int]:
        number = {i: n for n, i in enumerate(i for i, g in enumerate(self.clusters[c]) if g is not None)}
        result = []
        for i in range(len(self.clusters[c])):
            at = i
            while self.goes_to[c][at] != at:
                at = self.goes_to[c][at]
            result.append(number[at])
        return result

"""Sets of phones worth asking for: those that a clustering of the phones by their sound finds."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnet.context_trees.statistics import TreeStatistics, objective
from nnet.formats.tree import PDF_CLASS

TRIES = 10  # random starts of every division into two
ROUNDS = 20

PhoneSet = tuple[int, ...]


@dataclass(frozen=True)
class Points:
    """What is clustered: (K,) counts, (K, D) sums and sums of squares."""

    counts: np.ndarray
    sums: np.ndarray
    squares: np.ndarray

    def value(self, which: np.ndarray) -> float:
        """Log-likelihood of the points `which`, a mask or numbers, under one Gaussian."""
        parts = self.counts[which], self.sums[which], self.squares[which]
        return float(objective(float(parts[0].sum()), parts[1].sum(axis=0), parts[2].sum(axis=0)))


def automatic_questions(
    stats: TreeStatistics,
    sets: Sequence[PhoneSet],
    pdf_classes: Collection[int],
    rng: np.random.Generator,
) -> list[PhoneSet]:
    """Sets of phones from coarse to fine, and each of `sets`, by the frames with one of `pdf_classes`.

    Sets are divided in two, again and again, by k-means with a Gaussian for either half, where likelihood
    gains most (AutomaticallyObtainQuestions).
    """
    wanted = np.isin(stats.classes, list(pdf_classes))
    phone = stats.phones[:, stats.central]
    masks = [wanted & np.isin(phone, s) for s in sets]
    points = Points(
        np.array([stats.counts[m].sum() for m in masks]),
        np.stack([stats.sums[m].sum(axis=0) for m in masks]),
        np.stack([stats.squares[m].sum(axis=0) for m in masks]),
    )
    found = [tuple(sorted(p for k in group for p in sets[k])) for group in divisions(points, rng)]
    return list(dict.fromkeys([*found, *(tuple(sorted(s)) for s in sets)]))


def divisions(points: Points, rng: np.random.Generator) -> list[list[int]]:
    """Every group of points that arises when groups are divided in two, the largest gain first."""
    everything = list(range(len(points.counts)))
    groups = [everything]
    queue: list[tuple[float, int, list[int], list[bool]]] = []

    def consider(group: list[int]) -> None:
        if len(group) > 1:
            gain, side = best_division(points, np.array(group), rng)
            if gain > 0:
                heapq.heappush(queue, (-gain, len(groups), group, side.tolist()))

    consider(everything)
    while queue:
        _, _, group, side = heapq.heappop(queue)
        halves = [[p for p, s in zip(group, side) if s == k] for k in (False, True)]
        for half in halves:
            groups.append(half)
            consider(half)
    return groups


def best_division(points: Points, group: np.ndarray, rng: np.random.Generator) -> tuple[float, np.ndarray]:
    """(gain of likelihood, which half each point belongs to), the best of several random starts."""
    whole = points.value(group)
    best, side = -np.inf, np.zeros(len(group), bool)
    for _ in range(TRIES):
        tried = _refined(points, group, rng.permutation(len(group)) % 2 == 0)
        gain = points.value(group[tried]) + points.value(group[~tried]) - whole
        if gain > best:
            best, side = gain, tried
    return best, side


def _refined(points: Points, group: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Points moved one at a time to the half where likelihood gains, until none gains."""
    side = side.copy()
    for _ in range(ROUNDS):
        moved = False
        for i in range(len(group)):
            other = side.copy()
            other[i] = ~other[i]
            if not other.any() or other.all():
                continue
            before = points.value(group[side]) + points.value(group[~side])
            if points.value(group[other]) + points.value(group[~other]) > before:
                side, moved = other, True
        if not moved:
            break
    return side


def questions_for(
    sets: Sequence[PhoneSet], width: int, num_pdf_classes: int
) -> Mapping[int, Sequence[tuple[int, ...]]]:
    """Questions for every position of a window, and for the pdf class: is it one of the first? (Kaldi's
    compile-questions.)
    """
    phones = sorted(set(tuple(sorted(s)) for s in sets))
    classes = [tuple(range(i + 1)) for i in range(num_pdf_classes - 1)]
    return {PDF_CLASS: classes, **{i: phones for i in range(width)}}

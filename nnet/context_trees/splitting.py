"""Growing a decision tree: the question that gains most likelihood is asked next (Kaldi's build-tree)."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nnet.context_trees.statistics import UNKNOWN, TreeStatistics, objective
from nnet.formats.tree import Leaf, Node, Split

Questions = Mapping[int, Sequence[tuple[int, ...]]]  # key -> sets of values, in the order they are tried


class Question(NamedTuple):
    """Is the value at `key` in `values`? And the log-likelihood that asking gains."""

    gain: np.float32
    key: int
    values: tuple[int, ...]


NONE = Question(np.float32(0), 0, ())


@dataclass
class Grower:
    """A node of a growing tree, with the events that reach it (DecisionTreeSplitter)."""

    stats: TreeStatistics
    questions: Questions
    leaf: int
    events: np.ndarray
    yes: Grower | None = None
    no: Grower | None = None

    def __post_init__(self) -> None:
        self.best = best_question(self.stats, self.questions, self.events)
        self.gain = self.best.gain

    def split(self, next_leaf: int) -> None:
        """Ask the best question below this node; the `no` side becomes leaf `next_leaf`."""
        if self.yes is None or self.no is None:
            inside = np.isin(self.stats.values(self.best.key)[self.events], self.best.values)
            parts = (self.leaf, self.events[inside]), (next_leaf, self.events[~inside])
            self.yes, self.no = (Grower(self.stats, self.questions, *part) for part in parts)
        else:
            (self.yes if self.yes.gain >= self.no.gain else self.no).split(next_leaf)
        self.gain = max(self.yes.gain, self.no.gain)

    def tree(self) -> Node:
        """What has grown here."""
        if self.yes is None or self.no is None:
            return Leaf(self.leaf)
        return Split(self.best.key, self.best.values, self.yes.tree(), self.no.tree())


def best_question(stats: TreeStatistics, questions: Questions, events: np.ndarray) -> Question:
    """The question about `events` that gains most; the first of equals; NONE if none gains."""
    best = NONE
    if len(events) <= 1:
        return best
    for key in stats.keys:
        values = stats.values(key)[events]
        if key not in questions or ((values == UNKNOWN).any() and key >= 0):
            continue
        found = _best_for_key(stats, questions[key], key, events, values)
        if found.gain > best.gain:
            best = found
    return best


def _best_for_key(
    stats: TreeStatistics, asked: Sequence[tuple[int, ...]], key: int, events: np.ndarray, values: np.ndarray
) -> Question:
    present, place = np.unique(values, return_inverse=True)
    count, sums, squares = (
        _sum_by(place, len(present), x[events]) for x in (stats.counts, stats.sums, stats.squares)
    )
    whole = objective(float(count.sum()), sums.sum(axis=0), squares.sum(axis=0))
    best = NONE
    for question in asked:
        inside = np.isin(present, question)
        if inside.all() or not inside.any():
            continue
        parts = [
            objective(float(count[m].sum()), sums[m].sum(axis=0), squares[m].sum(axis=0))
            for m in (~inside, inside)
        ]
        gain = np.float32(parts[0] + parts[1]) - whole
        if gain > best.gain:
            best = Question(gain, key, question)
    return best


def _sum_by(place: np.ndarray, size: int, x: np.ndarray) -> np.ndarray:
    out = np.zeros((size, *x.shape[1:]))
    np.add.at(out, place, x)
    return out


@dataclass(frozen=True)
class Growth:
    """Subtrees for the leaves that there were, the number of leaves, gain in all and of the last split."""

    subtrees: list[Node]
    num_leaves: int
    gain: float
    smallest: float


def grow(
    stats: TreeStatistics,
    questions: Questions,
    leaf_of: np.ndarray,
    num_leaves: int,
    threshold: float,
    max_leaves: int,
) -> Growth:
    """Split the leaves, `leaf_of` (M,) of each event (-1: not to be split), while a split gains more than
    `threshold` and there are fewer than `max_leaves` (0: any number) leaves (SplitDecisionTree).
    """
    growers = [Grower(stats, questions, i, np.flatnonzero(leaf_of == i)) for i in range(num_leaves)]
    queue = [(-float(g.gain), -i) for i, g in enumerate(growers)]
    heapq.heapify(queue)
    gain, smallest = np.float32(0), float("inf")
    while -queue[0][0] > threshold and (max_leaves <= 0 or num_leaves < max_leaves):
        loss, number = heapq.heappop(queue)
        smallest, gain = min(smallest, -loss), np.float32(gain - loss)
        growers[-number].split(num_leaves)
        num_leaves += 1
        heapq.heappush(queue, (-float(growers[-number].gain), number))
    return Growth([g.tree() for g in growers], num_leaves, float(gain), smallest)

"""A finite-state transducer as arrays: arcs by source state, costs (negative logarithms) as weights."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from typing import NamedTuple

import numpy as np

Arc = tuple[int, int, float, int]  # ilabel, olabel, cost, target
_SINGLE = struct.Struct("f")  # the quickest way to round one number


def plus_cost(a: float, b: float) -> float:
    """The sum of two costs in single precision."""
    result: float = _SINGLE.unpack(_SINGLE.pack(a + b))[0]
    return result


class Lists(NamedTuple):
    """An FST for algorithms that go from state to state: the arcs of every state, its cost of ending, the
    start. Costs are numbers of single precision.
    """

    arcs: list[list[Arc]]
    finals: list[float]
    start: int = 0


@dataclass(frozen=True, eq=False)
class Fst:
    """States 0 ... S-1; arcs indptr[s] ... indptr[s + 1] - 1 leave state s.

    `start`: the initial state, -1 if there is none. `finals` (S,) float32: the cost of ending in a state,
    infinity where that is impossible. `indptr` (S + 1,), `ilabels`, `olabels`, `targets` (A,) integers, label
    0 is epsilon; `weights` (A,) float32 costs. `properties`: what a file said about it, OpenFst's bits; 0 is
    nothing. Raises ValueError if the arrays do not fit together.
    """

    start: int
    finals: np.ndarray
    indptr: np.ndarray
    ilabels: np.ndarray
    olabels: np.ndarray
    weights: np.ndarray
    targets: np.ndarray
    properties: int = 0

    def __post_init__(self) -> None:
        states, arcs = len(self.finals), len(self.targets)
        if not -1 <= self.start < states:
            raise ValueError(f"the start state of an FST is {self.start}, but it has {states} states")
        if len(self.indptr) != states + 1 or self.indptr[-1] != arcs or self.indptr[0] != 0:
            raise ValueError(f"an FST's arcs are not numbered from 0 to {arcs} over its {states} states")
        if {len(self.ilabels), len(self.olabels), len(self.weights)} != {arcs}:
            raise ValueError(f"an FST has {arcs} targets, but other numbers of labels or weights")
        if (self.indptr[1:] < self.indptr[:-1]).any():
            raise ValueError("an FST has a state with a negative number of arcs")
        if arcs and not 0 <= self.targets.min() <= self.targets.max() < states:
            wrong = self.targets[(self.targets < 0) | (self.targets >= states)][0]
            raise ValueError(f"an arc of an FST leads to state {wrong}, but it has {states} states")

    @classmethod
    def from_arcs(
        cls,
        arcs: Iterable[tuple[int, int, int, float, int]],
        finals: np.ndarray | list[float],
        start: int = 0,
    ) -> Fst:
        """From arcs (source, ilabel, olabel, cost, target) in any order; the order within a state is kept."""
        rows = list(arcs)
        source, ilabel, olabel, weight, target = zip(*rows) if rows else ((), (), (), (), ())
        return cls.from_columns(source, ilabel, olabel, weight, target, finals, start)

    @classmethod
    def from_columns(
        cls,
        sources: np.ndarray | tuple[int, ...],
        ilabels: np.ndarray | tuple[int, ...],
        olabels: np.ndarray | tuple[int, ...],
        weights: np.ndarray | tuple[float, ...],
        targets: np.ndarray | tuple[int, ...],
        finals: np.ndarray | list[float],
        start: int = 0,
    ) -> Fst:
        """From columns (A,) of arcs in any order; the order within a state is kept."""
        finals = np.asarray(finals, np.float32)
        source = np.asarray(sources, np.int64)
        if len(source) and not 0 <= source.min() <= source.max() < len(finals):
            raise ValueError(f"an arc of an FST leaves state {source.max()} of {len(finals)} states")
        order = np.argsort(source, kind="stable")
        indptr = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=len(finals)))])
        return cls(
            start,
            finals,
            indptr.astype(np.int64),
            np.asarray(ilabels, np.int32)[order],
            np.asarray(olabels, np.int32)[order],
            np.asarray(weights, np.float32)[order],
            np.asarray(targets, np.int32)[order],
        )

    @classmethod
    def from_lists(
        cls, states: Sequence[Sequence[Arc]], finals: np.ndarray | Sequence[float], start: int = 0
    ) -> Fst:
        """From a list of arcs for each state."""
        indptr = np.array([0, *accumulate(map(len, states))], np.int64)
        ilabel, olabel, weight, target = zip(*chain.from_iterable(states)) if indptr[-1] else ((),) * 4
        ints = np.array([ilabel, olabel, target], np.int32)
        weights = np.array(weight, np.float32)
        return cls(start, np.asarray(finals, np.float32), indptr, ints[0], ints[1], weights, ints[2])

    @classmethod
    def linear(cls, labels: Iterable[int]) -> Fst:
        """The acceptor of one sequence."""
        row = list(labels)
        arcs = ((i, label, label, 0.0, i + 1) for i, label in enumerate(row))
        return cls.from_arcs(arcs, [np.inf] * len(row) + [0.0])

    @property
    def num_states(self) -> int:
        """S."""
        return len(self.finals)

    @property
    def num_arcs(self) -> int:
        """A."""
        return len(self.targets)

    @property
    def sources(self) -> np.ndarray:
        """The state that each arc leaves (A,)."""
        return np.repeat(np.arange(self.num_states), np.diff(self.indptr))

    def lists(self) -> list[list[Arc]]:
        """The arcs of every state, for algorithms that go from state to state."""
        rows = list(
            zip(self.ilabels.tolist(), self.olabels.tolist(), self.weights.tolist(), self.targets.tolist())
        )
        ends = self.indptr.tolist()
        return [rows[i:j] for i, j in pairwise(ends)]

    def as_lists(self) -> Lists:
        """The same as lists."""
        return Lists(self.lists(), self.finals.tolist(), self.start)

    def following(self) -> list[list[int]]:
        """The targets of every state's arcs."""
        targets = self.targets.tolist()
        return [targets[i:j] for i, j in pairwise(self.indptr.tolist())]

    def successors(self) -> Iterator[np.ndarray]:
        """The same as arrays."""
        return (self.targets[i:j] for i, j in pairwise(self.indptr))


def same(a: Fst, b: Fst) -> bool:
    """Whether states, arcs and costs are equal, one by one and in order; what files said is not compared."""
    return a.start == b.start and all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for name in ("finals", "indptr", "ilabels", "olabels", "weights", "targets")
    )


def side_by_side(parts: Sequence[Fst]) -> Fst:
    """One FST of all states and arcs of several, which nothing connects; its start is the first one's."""
    arcs, states = ([0, *accumulate(getattr(f, name) for f in parts)] for name in ("num_arcs", "num_states"))

    def column(name: str) -> np.ndarray:
        return np.concatenate([getattr(f, name) for f in parts])

    return Fst(
        parts[0].start,
        column("finals"),
        np.concatenate([*(f.indptr[:-1] + n for f, n in zip(parts, arcs)), arcs[-1:]]),
        column("ilabels"),
        column("olabels"),
        column("weights"),
        np.concatenate([f.targets + n for f, n in zip(parts, states)]),
    )

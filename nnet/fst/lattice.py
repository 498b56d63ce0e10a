"""Lattices: the paths that a recogniser or an alignment kept, with two costs and labels on each arc."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from nnet.fst.arrays import Fst, plus_cost
from nnet.fst.components import on_paths
from nnet.fst.order import topological_order

INF = float("inf")


class Weight(NamedTuple):
    """Graph cost, acoustic cost (single precision) and, in compact lattices, transition-ids."""

    graph: float
    acoustic: float
    ids: tuple[int, ...] = ()


ONE, ZERO = Weight(0.0, 0.0), Weight(INF, INF)


def times(a: Weight, b: Weight) -> Weight:
    """One weight after the other."""
    if ZERO in (a, b):
        return ZERO
    return Weight(plus_cost(a.graph, b.graph), plus_cost(a.acoustic, b.acoustic), a.ids + b.ids)


def better(a: Weight, b: Weight) -> Weight:
    """The one with the lower cost; of equal ones that with the lower graph cost, then the shorter one."""
    return a if _rank(a) <= _rank(b) else b


def _rank(w: Weight) -> tuple[float, float, int, tuple[int, ...]]:
    return plus_cost(w.graph, w.acoustic), w.graph, len(w.ids), tuple([-i for i in w.ids])


LatticeArc = tuple[int, int, Weight, int]  # ilabel, olabel, weight, target


@dataclass(frozen=True, eq=False)
class Lattice:
    """States 0 ... S-1 with their arcs; `finals`: the weight of ending in a state, or ZERO.

    `compact` ones are acceptors of words (or phones) and have transition-ids in their weights; others have
    them as input labels, words as output labels. `start` is -1 if there is no path. `properties`: OpenFst's
    bits from a file.
    """

    start: int
    arcs: list[list[LatticeArc]]
    finals: list[Weight]
    compact: bool = True
    properties: int = 0

    def __post_init__(self) -> None:
        size = len(self.finals)
        if len(self.arcs) != size or not -1 <= self.start < size:
            raise ValueError(f"a lattice of {len(self.arcs)} states, {size} finals and start {self.start}")
        if wrong := [a[3] for row in self.arcs for a in row if not 0 <= a[3] < size]:
            raise ValueError(f"an arc of a lattice leads to state {wrong[0]}, but it has {size} states")

    @property
    def num_states(self) -> int:
        """S."""
        return len(self.finals)

    def weights(self) -> Iterator[Weight]:
        """Of all arcs and ends."""
        yield from (w for row in self.arcs for _, _, w, _ in row)
        yield from self.finals

    def shape(self) -> Fst:
        """States, arcs and ends, at the cost 1 where there is any weight."""
        rows = [[(i, o, float(w != ONE), t) for i, o, w, t in row] for row in self.arcs]
        return Fst.from_lists(rows, [INF if w == ZERO else float(w != ONE) for w in self.finals], self.start)


def connect(lattice: Lattice) -> Lattice:
    """`lattice` without states that are on no path from the start to an end."""
    ends = [s for s, w in enumerate(lattice.finals) if w != ZERO]
    good = on_paths([[t for _, _, _, t in row] for row in lattice.arcs], ends, lattice.start)
    number = [n - 1 for n in accumulate(good)]
    keep = [s for s, yes in enumerate(good) if yes]
    arcs = [[(i, o, w, number[t]) for i, o, w, t in lattice.arcs[s] if good[t]] for s in keep]
    start = number[lattice.start] if lattice.start >= 0 and good[lattice.start] else -1
    return Lattice(start, arcs, [lattice.finals[s] for s in keep], lattice.compact)


def sort_topologically(lattice: Lattice, again: bool = False) -> Lattice:
    """States in an order in which arcs lead upwards; as they are if they do and not `again` (TopSort).

    Raises ValueError if there is a cycle.
    """
    if not again and all(t > s for s, row in enumerate(lattice.arcs) for _, _, _, t in row):
        return lattice
    order = topological_order(lattice.shape())
    if order is None:
        raise ValueError("a lattice has a cycle; only lattices without cycles can be sorted")
    place = order.tolist()
    by_place = np.argsort(order).tolist()
    arcs = [[(i, o, w, place[t]) for i, o, w, t in lattice.arcs[s]] for s in by_place]
    return Lattice(
        place[lattice.start], arcs, [lattice.finals[s] for s in by_place], lattice.compact, lattice.properties
    )


def scale(lattice: Lattice, graph: float = 1.0, acoustic: float = 1.0) -> Lattice:
    """All costs times factors (ScaleLattice): `acoustic` is what scripts call acwt, `graph` the LM scale."""

    def scaled(w: Weight) -> Weight:
        if w == ZERO:
            return w
        return Weight(float(np.float32(w.graph * graph)), float(np.float32(w.acoustic * acoustic)), w.ids)

    return _mapped(lattice, scaled)


def _mapped(lattice: Lattice, change: Callable[[Weight], Weight]) -> Lattice:
    arcs = [[(i, o, change(w), t) for i, o, w, t in row] for row in lattice.arcs]
    return replace(lattice, arcs=arcs, finals=[change(w) for w in lattice.finals])


def state_times(lattice: Lattice) -> tuple[list[int], int]:
    """The frame at which each state of a compact lattice lies (-1: not reached), and the number of frames.

    Raises ValueError unless states are sorted, start with 0 and have one time each
    (CompactLatticeStateTimes).
    """
    if lattice.start != 0:
        raise ValueError(f"a lattice starts with state {lattice.start}; sorted ones start with 0")
    times_of = [-1] * lattice.num_states
    times_of[0], length = 0, 0
    for s, row in enumerate(lattice.arcs):
        for _, _, w, t in row:
            if t <= s:
                raise ValueError(f"a lattice's states are not sorted: an arc leads from {s} to {t}")
            time = times_of[s] + len(w.ids)
            if times_of[t] not in (-1, time):
                raise ValueError(f"state {t} of a lattice is reached at frames {times_of[t]} and {time}")
            times_of[t] = time
        if lattice.finals[s] != ZERO:
            length = max(length, times_of[s] + len(lattice.finals[s].ids))
    return times_of, length

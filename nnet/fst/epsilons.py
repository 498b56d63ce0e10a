"""Epsilon removal, and joining FSTs end to start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from nnet.fst.arrays import Arc, Fst, Lists, plus_cost
from nnet.fst.order import connected

F32 = np.float32
INF = float("inf")
W = TypeVar("W")  # weights of arcs


def is_epsilon(arc: Arc) -> bool:
    """Whether both labels are epsilon."""
    return arc[0] == 0 and arc[1] == 0


def concatenate(first: Fst, second: Fst) -> Fst:
    """Paths of `first` followed by paths of `second`: an epsilon from each end to the start of `second`.

    States of `first` follow those of `second`; their epsilons come before other arcs (OpenFst's Concat).
    """
    offset = second.num_states
    arcs = second.lists()
    for row, final in zip(first.lists(), first.finals.tolist()):
        joint: list[Arc] = [(0, 0, final, second.start)] if final != INF else []
        arcs.append([*joint, *((i, o, w, t + offset) for i, o, w, t in row)])
    finals = np.concatenate([second.finals, np.full(first.num_states, INF, F32)])
    return Fst.from_lists(arcs, finals, first.start + offset)


class Semiring(NamedTuple, Generic[W]):
    """How weights are joined along paths and between them."""

    times: Callable[[W, W], W]
    plus: Callable[[W, W], W]
    one: W
    zero: W


TROPICAL: Semiring[float] = Semiring(plus_cost, min, 0.0, INF)
Rows = list[list[tuple[int, int, W, int]]]


def remove_epsilons(fst: Fst) -> Fst:
    """An equal FST without arcs whose labels are both epsilon, connected; costs in single precision.

    States and the order of arcs are those that OpenFst's RmEpsilon leaves: every state gets the arcs of its
    epsilon closure, last one first.
    """
    return fst if fst.start < 0 else Fst.from_lists(*without_epsilons(fst.as_lists()))


def without_epsilons(fst: Lists) -> Lists:
    """The same for lists."""
    if fst.start < 0:
        return fst
    arcs, finals = remove_from_rows(fst.arcs, fst.finals, fst.start, TROPICAL)
    return connected(Lists(arcs, finals, fst.start))


def remove_from_rows(
    arcs: Rows[W], finals: list[W], start: int, semiring: Semiring[W]
) -> tuple[Rows[W], list[W]]:
    """The same for arcs and ends in lists, with any weights; what is on no path stays."""
    arcs, finals = list(arcs), list(finals)
    entered = {start} | {a[3] for row in arcs for a in row if a[0] or a[1]}
    for s in _after_their_epsilons(arcs):
        if s in entered:
            arcs[s], finals[s] = _closed(s, arcs, finals, semiring)
    return [row if s in entered else [] for s, row in enumerate(arcs)], finals


def _after_their_epsilons(arcs: Rows[W]) -> list[int]:
    """States in an order in which those that an epsilon leads to come first (as far as there is no cycle)."""
    targets = [[a[3] for a in row if a[0] == a[1] == 0] for row in arcs]
    state, order = [0] * len(arcs), []
    for root in range(len(arcs)):
        stack = [root] if not state[root] else []
        while stack:
            s = stack[-1]
            if state[s] == 0:
                state[s] = 1
                stack += [t for t in targets[s] if state[t] == 0]
            else:
                stack.pop()
                if state[s] == 1:
                    state[s] = 2
                    order.append(s)
    return order


def _closed(
    source: int, arcs: Rows[W], finals: list[W], semiring: Semiring[W]
) -> tuple[list[tuple[int, int, W, int]], W]:
    """Arcs and final weight of a state with those of all states that epsilons lead to from it."""
    times, plus, _, zero = semiring
    if all(a[0] or a[1] for a in arcs[source]):
        return _united(arcs[source], plus), finals[source]
    distance = _distances(source, arcs, semiring)
    found: dict[tuple[int, int, int], W] = {}
    final, waiting, visited = zero, [source], set()
    while waiting:
        s = waiting.pop()
        if s in visited:
            continue
        visited.add(s)
        for i, o, w, t in arcs[s]:
            if i == o == 0:
                if t not in visited:
                    waiting.append(t)
                continue
            key, weight = (i, o, t), times(distance[s], w)
            found[key] = plus(found[key], weight) if key in found else weight
        final = plus(final, times(distance[s], finals[s]))
    return [(i, o, w, t) for (i, o, t), w in reversed(found.items())], final


def _united(row: list[tuple[int, int, W, int]], plus: Callable[[W, W], W]) -> list[tuple[int, int, W, int]]:
    """The arcs of a state, last one first, those to one target with the same labels as one."""
    if len(row) == 1:
        return row
    found: dict[tuple[int, int, int], W] = {}
    for i, o, w, t in row:
        key = (i, o, t)
        found[key] = plus(found[key], w) if key in found else w
    return [(i, o, w, t) for (i, o, t), w in reversed(found.items())]


def _distances(source: int, arcs: Rows[W], semiring: Semiring[W]) -> dict[int, W]:
    """Best weight of epsilons from `source` to every state they lead to."""
    distance, waiting = {source: semiring.one}, [source]
    while waiting:
        s = waiting.pop()
        for i, o, w, t in arcs[s]:
            if i == o == 0:
                old, new = distance.get(t, semiring.zero), semiring.times(distance[s], w)
                if (best := semiring.plus(old, new)) != old:
                    distance[t] = best
                    waiting.append(t)
    return distance

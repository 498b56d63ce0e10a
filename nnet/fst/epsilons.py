"""Epsilon removal, and joining FSTs end to start."""

from __future__ import annotations

import numpy as np

from nnet.fst.arrays import Arc, Fst
from nnet.fst.order import connect

F32 = np.float32
INF = float("inf")


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


def remove_epsilons(fst: Fst) -> Fst:
    """An equal FST without arcs whose labels are both epsilon, connected; costs in single precision.

    States and the order of arcs are those that OpenFst's RmEpsilon leaves: every state gets the arcs of its
    epsilon closure, last one first.
    """
    arcs, finals = fst.lists(), fst.finals.tolist()
    entered = {fst.start} | {a[3] for row in arcs for a in row if not is_epsilon(a)}
    if fst.start < 0:
        return fst
    for s in _after_their_epsilons(arcs):
        if s in entered:
            arcs[s], finals[s] = _closed(s, arcs, finals)
    arcs = [row if s in entered else [] for s, row in enumerate(arcs)]
    return connect(Fst.from_lists(arcs, finals, fst.start))


def _after_their_epsilons(arcs: list[list[Arc]]) -> list[int]:
    """States in an order in which those that an epsilon leads to come first (as far as there is no cycle)."""
    targets = [[a[3] for a in row if is_epsilon(a)] for row in arcs]
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


def _closed(source: int, arcs: list[list[Arc]], finals: list[float]) -> tuple[list[Arc], float]:
    """Arcs and final cost of a state with those of all states that epsilons lead to from it."""
    distance = _distances(source, arcs)
    found: dict[tuple[int, int, int], float] = {}
    final, waiting, visited = INF, [source], set()
    while waiting:
        s = waiting.pop()
        if s in visited:
            continue
        visited.add(s)
        for arc in arcs[s]:
            if is_epsilon(arc):
                if arc[3] not in visited:
                    waiting.append(arc[3])
                continue
            key, cost = (arc[0], arc[1], arc[3]), float(F32(distance[s]) + F32(arc[2]))
            found[key] = min(found.get(key, INF), cost)
        final = min(final, float(F32(distance[s]) + F32(finals[s])))
    return [(i, o, w, t) for (i, o, t), w in reversed(found.items())], final


def _distances(source: int, arcs: list[list[Arc]]) -> dict[int, float]:
    """Lowest cost of epsilons from `source` to every state they lead to."""
    distance, waiting = {source: 0.0}, [source]
    while waiting:
        s = waiting.pop()
        for arc in arcs[s]:
            if is_epsilon(arc):
                cost = float(F32(distance[s]) + F32(arc[2]))
                if cost < distance.get(arc[3], INF):
                    distance[arc[3]] = cost
                    waiting.append(arc[3])
    return distance

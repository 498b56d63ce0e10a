"""Merging states of an acceptor whose futures are equal, arc by arc and cost by cost."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nnet.fst.arrays import Arc, Fst, Lists
from nnet.fst.components import backwards
from nnet.fst.order import connected
from nnet.fst.partition import Partition
from nnet.fst.push import pushed_costs
from nnet.fst.standard_order import StandardQueue, standard_sort

DELTA = 1e-6  # of costs that count as equal in determinised acceptors

INF = float("inf")
Transition = tuple[int, int]  # label, state


def quantize(fst: Fst, delta: float) -> Fst:
    """Costs rounded to multiples of `delta`, in single precision (OpenFst's QuantizeMapper)."""
    weights, finals = _in_steps(fst.weights, delta), _in_steps(fst.finals, delta)
    return Fst(fst.start, finals, fst.indptr, fst.ilabels, fst.olabels, weights, fst.targets)


def _in_steps(costs: np.ndarray, delta: float) -> np.ndarray:
    step, half = np.float32(delta), np.float32(0.5)
    return np.where(np.isfinite(costs), np.floor(costs / step + half) * step, costs).astype(np.float32)


def minimize_pushed(fst: Fst) -> Fst:
    """An acceptor without cycles made as small as possible, costs moved to its start (OpenFst's Minimize).

    Arcs are sorted by label if no arc and no end has a cost.
    """
    return Fst.from_lists(*minimized_pushed(fst.as_lists()))


def minimized_pushed(fst: Lists) -> Lists:
    """The same for lists."""
    if not has_costs(fst):
        return minimized(fst, by_label=True)
    if fst.start < 0:
        return fst
    costs = iter(_in_steps(pushed_costs(fst), DELTA).tolist())
    rows = [[(i, o, next(costs), t) for i, o, _, t in row] for row in fst.arcs]
    return minimized(Lists(rows, list(costs), fst.start))


def has_costs(fst: Lists) -> bool:
    """Whether an arc or an end has a cost."""
    return any(w for row in fst.arcs for _, _, w, _ in row) or any(w and w != INF for w in fst.finals)


def minimize(fst: Fst, by_label: bool = False) -> Fst:
    """`fst` with states merged whose arcs agree in labels, costs and merged targets.

    Pairs of label and cost become labels, final costs arcs to a new state, as in OpenFst's Encode; then
    acceptors without cycles and choices are minimised by height (Revuz), all others by splitting classes
    (Hopcroft). Arcs are sorted by these labels, in the order in
    which they are met (or by the old ones), equal ones united. States and arcs come out in OpenFst's
    order (AcceptorMinimize between Encode and Decode).
    """
    return Fst.from_lists(*minimized(fst.as_lists(), by_label))


def minimized(fst: Lists, by_label: bool = False) -> Lists:
    """The same for lists."""
    fst = connected(fst)
    if fst.start < 0:
        return fst
    rows, decode = _encode(fst, by_label)
    no_choice = all(len(row) == 1 or len({code for code, _ in row}) == len(row) for row in rows)
    heights = _heights(rows) if no_choice else None
    return _decoded(_by_splitting(rows) if heights is None else _by_height(rows, heights), decode, fst.start)


Code = tuple[int, int, float]  # ilabel, olabel, cost; (-1, -1, cost) is an end


class Merged(NamedTuple):
    """The state that stands for each state; and the arcs of those that stand for any, sorted."""

    first: list[int]
    rows: dict[int, list[Transition]]


def _encode(fst: Lists, by_label: bool) -> tuple[list[list[Transition]], list[Code]]:
    """Arcs as (code, target), the last state the only final one; and what codes, counted from 1, mean."""
    labels = sorted({arc[0] for row in fst.arcs for arc in row}) if by_label else []
    numbers: dict[Code, int] = {(label, label, 0.0): k for k, label in enumerate(labels, 1)}
    rows: list[list[Transition]] = []
    for arcs, final in zip(fst.arcs, fst.finals):
        row = [(numbers.setdefault((i, o, w), len(numbers) + 1), t) for i, o, w, t in arcs]
        if final != INF:
            row.append((numbers.setdefault((-1, -1, final), len(numbers) + 1), len(fst.finals)))
        rows.append(row)
    return [*rows, []], list(numbers)


def _decoded(merged: Merged, decode: list[Code], start: int) -> Lists:
    """Back from codes to labels and costs; arcs to the end become final costs (Decode, RmFinalEpsilon)."""
    kept = sorted(merged.rows)[:-1]  # without the end, which nothing is merged with
    number = {s: k for k, s in enumerate(kept)}
    arcs, finals = [], []
    for s in kept:
        row: list[Arc] = []
        final = INF
        for code, t in merged.rows[s]:
            i, o, w = decode[code - 1]
            if i == -1:
                final = min(final, w)
            else:
                row.append((i, o, w, number[t]))
        arcs.append(row)
        finals.append(final)
    return Lists(arcs, finals, number[merged.first[start]])


def _by_splitting(rows: list[list[Transition]]) -> Merged:
    """Classes of states with equal futures, by Hopcroft's algorithm (CyclicMinimizer)."""
    incoming: list[list[Transition]] = [[] for _ in rows]
    for s, row in enumerate(rows):
        for code, t in row:
            incoming[t].append((code, s))
    incoming = [standard_sort(row, [code for code, _ in row]) for row in incoming]
    partition = _first_partition(rows)
    waiting = list(range(len(partition.size)))
    while waiting:
        _split_on(waiting.pop(), partition, incoming, waiting)
    return _united(rows, partition)


def _united(rows: list[list[Transition]], partition: Partition) -> Merged:
    """The arcs of all states of a class, united at the first of its states (MergeStates)."""
    heads = [next(partition.members(c)) for c in range(len(partition.size))]
    first = [heads[c] for c in partition.class_of]
    united = {
        s: sorted({(x, first[t]) for m in partition.members(c) for x, t in rows[m]})
        for c, s in enumerate(heads)
    }
    return Merged(first, united)


def _first_partition(rows: list[list[Transition]]) -> Partition:
    """States whose arcs have the same codes in the same order, repetitions in a row counted once."""
    numbers: dict[tuple[int, ...], int] = {}
    class_of = []
    for row in rows:
        codes = [code for k, (code, _) in enumerate(row) if k == 0 or row[k - 1][0] != code]
        class_of.append(numbers.setdefault(tuple(codes), len(numbers)))
    return Partition(class_of, len(numbers))


def _split_on(c: int, partition: Partition, incoming: list[list[Transition]], waiting: list[int]) -> None:
    """Split all classes by which of their states lead to class `c`, label after label."""
    previous = -1
    for code, s in _into(c, partition, incoming):
        if code != previous:
            waiting += partition.split()
        partition.mark(s)
        previous = code
    waiting += partition.split()


def _into(c: int, partition: Partition, incoming: list[list[Transition]]) -> list[Transition]:
    """All arcs into states of class `c`, by label."""
    rows = [incoming[s] for s in partition.members(c) if incoming[s]]
    if len(rows) <= 1:
        return rows[0] if rows else []
    queue, result = StandardQueue(), []
    for k, row in enumerate(rows):
        queue.push((row[0][0], k, 0))
    while queue.heap:
        _, k, place = queue.pop()
        result.append(rows[k][place])
        if place + 1 < len(rows[k]):
            queue.push((rows[k][place + 1][0], k, place + 1))
    return result


def _by_height(rows: list[list[Transition]], heights: list[int]) -> Merged:
    """Without cycles and choices: states by the longest way to the end, then by arcs (AcyclicMinimizer).

    Of states of one height the last one stands for its class, the first one for every other class.
    """
    levels: list[list[int]] = [[] for _ in range(max(heights) + 1)]
    for s in range(len(rows) - 1, -1, -1):
        levels[heights[s]].append(s)
    first, merged = [0] * len(rows), {}
    for level in levels:
        classes: dict[tuple[Transition, ...], list[int]] = {}
        for s in level:
            key = tuple(sorted([(code, first[t]) for code, t in rows[s]]))
            classes.setdefault(key, []).append(s)
        for k, (key, members) in enumerate(classes.items()):
            head = members[-1] if k else members[0]
            merged[head] = list(key)
            for s in members:
                first[s] = head
    return Merged(first, merged)


def _heights(rows: list[list[Transition]]) -> list[int] | None:
    """The longest way from each state to a state without arcs; None if there is a cycle."""
    before = backwards([[t for _, t in row] for row in rows])
    height, missing = [0] * len(rows), [len(row) for row in rows]
    ready = [s for s, count in enumerate(missing) if count == 0]
    for t in ready:  # also over states that become ready meanwhile
        for s in before[t]:
            height[s] = max(height[s], height[t] + 1)
            missing[s] -= 1
            if missing[s] == 0:
                ready.append(s)
    return height if len(ready) == len(rows) else None

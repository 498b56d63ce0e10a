"""Merging states of an acceptor whose futures are equal, arc by arc and cost by cost."""

from __future__ import annotations

import numpy as np

from nnet.fst.arrays import Fst
from nnet.fst.components import strong_components
from nnet.fst.order import connect
from nnet.fst.partition import Partition
from nnet.fst.push import push_to_start
from nnet.fst.standard_order import StandardQueue, standard_sort

DELTA = 1e-6  # of costs that count as equal in determinised acceptors

Transition = tuple[int, int]  # label, state


def quantize(fst: Fst, delta: float) -> Fst:
    """Costs rounded to multiples of `delta`, in single precision (OpenFst's QuantizeMapper)."""
    step, half = np.float32(delta), np.float32(0.5)
    weights, finals = (
        np.where(np.isfinite(w), np.floor(w / step + half) * step, w).astype(np.float32)
        for w in (fst.weights, fst.finals)
    )
    return Fst(fst.start, finals, fst.indptr, fst.ilabels, fst.olabels, weights, fst.targets)


def minimize_pushed(fst: Fst) -> Fst:
    """An acceptor without cycles made as small as possible, costs moved to its start (OpenFst's Minimize).

    Arcs are sorted by label if no arc and no end has a cost.
    """
    if not fst.weights.any() and not fst.finals[np.isfinite(fst.finals)].any():
        return minimize(fst, by_label=True)
    return minimize(quantize(push_to_start(fst), DELTA))


def minimize(fst: Fst, by_label: bool = False) -> Fst:
    """`fst` with states merged whose arcs agree in labels, costs and merged targets.

    Pairs of label and cost become labels, final costs arcs to a new state, as in OpenFst's Encode; then
    acceptors without cycles and choices are minimised by height (Revuz), all others by splitting classes
    (Hopcroft). Arcs are sorted by these labels, in the order in
    which they are met (or by the old ones), equal ones united. States and arcs come out in OpenFst's
    order (AcceptorMinimize between Encode and Decode).
    """
    fst = connect(fst)
    if fst.start < 0:
        return fst
    rows, decode = _encode(fst, by_label)
    no_choice = all(len({code for code, _ in row}) == len(row) for row in rows)
    partition = _by_height(rows) if no_choice and not _has_cycle(fst) else _by_splitting(rows)
    return connect(_decoded(_merge(rows, partition), decode, partition, fst))


Code = tuple[int, int, float]  # ilabel, olabel, cost; (-1, -1, cost) is an end


def _encode(fst: Fst, by_label: bool) -> tuple[list[list[Transition]], list[Code]]:
    """Arcs as (code, target), the last state the only final one; and what codes, counted from 1, mean."""
    labels = np.unique(fst.ilabels).tolist() if by_label else []
    numbers: dict[Code, int] = {(label, label, 0.0): k for k, label in enumerate(labels, 1)}
    rows: list[list[Transition]] = []
    for arcs, final in zip(fst.lists(), fst.finals.tolist()):
        row = [(numbers.setdefault((i, o, w), len(numbers) + 1), t) for i, o, w, t in arcs]
        if final != np.inf:
            row.append((numbers.setdefault((-1, -1, final), len(numbers) + 1), fst.num_states))
        rows.append(row)
    return [*rows, []], list(numbers)


def _has_cycle(fst: Fst) -> bool:
    component = strong_components(fst)
    return bool((component[fst.sources] == component[fst.targets]).any())


def _merge(rows: list[list[Transition]], partition: Partition) -> list[list[Transition]]:
    """The arcs of all states of a class, united at the first of its states (MergeStates)."""
    first = [next(partition.members(c)) for c in range(len(partition.size))]
    merged: list[list[Transition]] = [[] for _ in rows]
    for c, s in enumerate(first):
        arcs = {(x, first[partition.class_of[t]]) for m in partition.members(c) for x, t in rows[m]}
        merged[s] = sorted(arcs)
    return merged


def _decoded(rows: list[list[Transition]], decode: list[Code], partition: Partition, fst: Fst) -> Fst:
    """Back from codes to labels and costs; arcs to the end become final costs (Decode, RmFinalEpsilon)."""
    finals = np.full(len(rows), np.inf, np.float32)
    arcs = []
    for s, row in enumerate(rows):
        kept = []
        for code, t in row:
            i, o, w = decode[code - 1]
            if i == -1:
                finals[s] = min(finals[s], w)
            else:
                kept.append((i, o, w, t))
        arcs.append(kept)
    start = next(partition.members(partition.class_of[fst.start]))
    return Fst.from_lists(arcs, finals, start)


def _by_splitting(rows: list[list[Transition]]) -> Partition:
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
    return partition


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


def _by_height(rows: list[list[Transition]]) -> Partition:
    """Without cycles: states by the longest way to the end, then by their arcs (AcyclicMinimizer)."""
    heights = _heights(rows)
    partition = Partition(heights, max(heights) + 1)
    sorted_rows = [sorted(row) for row in rows]
    for h in range(max(heights) + 1):
        found: dict[tuple[Transition, ...], int] = {}
        members = list(partition.members(h))
        for s in members:
            key = tuple((code, partition.class_of[t]) for code, t in sorted_rows[s])
            if key not in found:
                found[key] = partition.add_class() if found else h
            if found[key] != h:
                partition.move(s, found[key])
    return partition


def _heights(rows: list[list[Transition]]) -> list[int]:
    height, stack = [-1] * len(rows), list(range(len(rows)))
    while stack:
        s = stack[-1]
        if height[s] >= 0:
            stack.pop()
            continue
        open_targets = [t for _, t in rows[s] if height[t] < 0]
        if open_targets:
            stack += open_targets
        else:
            height[s] = max((height[t] + 1 for _, t in rows[s]), default=0)
            stack.pop()
    return height

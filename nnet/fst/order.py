"""Renumbering and removing states: connected parts, orders."""

from __future__ import annotations

from itertools import accumulate, pairwise

import numpy as np

from nnet.fst.arrays import Arc, Fst, Lists
from nnet.fst.components import on_paths
from nnet.fst.standard_order import SMALL, standard_sort

INF = float("inf")


def renumber(fst: Fst, order: np.ndarray) -> Fst:
    """`fst` with state s called order[s]; arcs of a state keep their order (OpenFst's StateSort)."""
    finals = np.empty_like(fst.finals)
    finals[order] = fst.finals
    return Fst.from_columns(
        order[fst.sources],
        fst.ilabels,
        fst.olabels,
        fst.weights,
        order[fst.targets],
        finals,
        int(order[fst.start]) if fst.start >= 0 else -1,
    )


def connect(fst: Fst) -> Fst:
    """`fst` without states that are on no path from the start to an end (OpenFst's Connect)."""
    ends = np.flatnonzero(np.isfinite(fst.finals)).tolist()
    on_path = on_paths(fst.following(), ends, fst.start)
    if all(on_path):
        return fst
    good = np.array(on_path)
    number = np.cumsum(good) - 1
    keep = good[fst.sources] & good[fst.targets]
    return Fst.from_columns(
        number[fst.sources[keep]],
        fst.ilabels[keep],
        fst.olabels[keep],
        fst.weights[keep],
        number[fst.targets[keep]],
        fst.finals[good],
        int(number[fst.start]) if fst.start >= 0 and good[fst.start] else -1,
    )


def connected(fst: Lists) -> Lists:
    """The same for lists."""
    arcs, finals, start = fst
    ends = [s for s, cost in enumerate(finals) if cost != INF]
    good = on_paths([[t for _, _, _, t in row] for row in arcs], ends, start)
    if all(good):
        return fst
    number = [n - 1 for n in accumulate(good)]
    rows = [[(i, o, w, number[t]) for i, o, w, t in row if good[t]] for row, g in zip(arcs, good) if g]
    kept = [cost for cost, g in zip(finals, good) if g]
    return Lists(rows, kept, number[start] if start >= 0 and good[start] else -1)


def breadth_first(fst: Fst) -> Fst:
    """States numbered in the order in which a breadth-first search meets them (SortBreadthFirstSearch).

    Raises ValueError if there are states that cannot be reached.
    """
    numbers = _breadth_first_numbers(fst.following(), fst.start)
    return renumber(fst, np.array(numbers, np.int64))


def numbered_breadth_first(fst: Lists) -> Lists:
    """The same for lists."""
    arcs, finals, start = fst
    number = _breadth_first_numbers([[t for _, _, _, t in row] for row in arcs], start)
    rows: list[list[Arc]] = [[]] * len(arcs)
    costs = [0.0] * len(arcs)
    for k, row, cost in zip(number, arcs, finals):
        rows[k], costs[k] = [(i, o, w, number[t]) for i, o, w, t in row], cost
    return Lists(rows, costs, number[start] if start >= 0 else -1)


def _breadth_first_numbers(following: list[list[int]], start: int) -> list[int]:
    number = [-1] * len(following)
    met = [start] if start >= 0 else []
    for s in met:
        number[s] = 0
    for s in met:  # also over states that are met meanwhile
        for t in following[s]:
            if number[t] < 0:
                number[t] = len(met)
                met.append(t)
    if len(met) != len(following):
        raise ValueError(f"only {len(met)} of the {len(following)} states of an FST can be reached")
    return number


def sort_arcs(fst: Fst, by_output: bool = False) -> Fst:
    """The arcs of every state sorted by label, equal ones as the C++ library leaves them (ArcSort)."""
    labels = fst.olabels if by_output else fst.ilabels
    order = np.lexsort((labels, fst.sources))
    for i, j in pairwise(fst.indptr.tolist()):
        if j - i > SMALL:
            order[i:j] = standard_sort(range(i, j), labels[i:j].tolist())
    i, o, w, t = (column[order] for column in (fst.ilabels, fst.olabels, fst.weights, fst.targets))
    return Fst(fst.start, fst.finals, fst.indptr, i, o, w, t)


def with_costs(fst: Fst, weights: np.ndarray, finals: np.ndarray) -> Fst:
    """`fst` with other costs (A,) and (S,), rounded to single precision."""
    w, f = np.asarray(weights, np.float32), np.asarray(finals, np.float32)
    return Fst(fst.start, f, fst.indptr, fst.ilabels, fst.olabels, w, fst.targets)


def with_labels(fst: Fst, ilabels: np.ndarray, olabels: np.ndarray) -> Fst:
    """`fst` with other labels (A,)."""
    i, o = np.asarray(ilabels, np.int32), np.asarray(olabels, np.int32)
    return Fst(fst.start, fst.finals, fst.indptr, i, o, fst.weights, fst.targets)


def reverse(fst: Fst) -> Fst:
    """All paths backwards: state s becomes s + 1, an epsilon leads from the new start 0 to every old end.

    Arcs of a state come in the order of their old sources (OpenFst's Reverse).
    """
    ends = np.flatnonzero(np.isfinite(fst.finals))
    zero = np.zeros(len(ends), np.int32)
    finals = np.full(fst.num_states + 1, np.inf, np.float32)
    if fst.start >= 0:
        finals[fst.start + 1] = 0.0
    return Fst.from_columns(
        np.concatenate([zero, fst.targets + 1]),
        np.concatenate([zero, fst.ilabels]),
        np.concatenate([zero, fst.olabels]),
        np.concatenate([fst.finals[ends], fst.weights]),
        np.concatenate([ends + 1, fst.sources + 1]),
        finals,
    )


def depth_first(fst: Fst) -> tuple[list[int], list[int], bool]:
    """States as a depth-first search meets and as it leaves them, and whether it found no cycle (DfsVisit).

    It begins with the start, then goes on with states that are left over, by number.
    """
    following = fst.following()
    met: list[int] = []
    left: list[int] = []
    state = [0] * fst.num_states  # 1: on the path, 2: left
    acyclic = True
    roots = [fst.start, *range(fst.num_states)] if fst.start >= 0 else []
    for root in roots:
        path = [] if state[root] else [(root, 0)]
        while path:
            s, k = path.pop()
            if k == 0:
                met.append(s)
                state[s] = 1
            if k == len(following[s]):
                state[s] = 2
                left.append(s)
                continue
            path.append((s, k + 1))
            t = following[s][k]
            acyclic = acyclic and state[t] != 1
            if state[t] == 0:
                path.append((t, 0))
    return met, left, acyclic


def topological_order(fst: Fst) -> np.ndarray | None:
    """(S,) numbers for states such that arcs lead upwards; None if there is a cycle (TopSort)."""
    _, left, acyclic = depth_first(fst)
    if not acyclic or len(left) < fst.num_states:
        return None
    order = np.empty(fst.num_states, np.int64)
    order[left[::-1]] = np.arange(fst.num_states)
    return order

"""Renumbering and removing states: connected parts, orders."""

from __future__ import annotations

from collections import deque

import numpy as np

from nnet.fst.arrays import Fst
from nnet.fst.components import accessible, coaccessible


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
    good = accessible(fst) & coaccessible(fst)
    if good.all():
        return fst
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


def breadth_first(fst: Fst) -> Fst:
    """States numbered in the order in which a breadth-first search meets them (SortBreadthFirstSearch).

    Raises ValueError if there are states that cannot be reached.
    """
    order = np.full(fst.num_states, -1)
    following = [row.tolist() for row in fst.successors()]
    waiting, count = deque([fst.start] if fst.start >= 0 else []), 0
    seen = set(waiting)
    while waiting:
        s = waiting.popleft()
        order[s] = count
        count += 1
        for t in following[s]:
            if t not in seen:
                seen.add(t)
                waiting.append(t)
    if count != fst.num_states:
        raise ValueError(f"only {count} of the {fst.num_states} states of an FST can be reached")
    return renumber(fst, order)


def sort_arcs(fst: Fst, by_output: bool = False) -> Fst:
    """The arcs of every state sorted by label, equal ones in the order they had (OpenFst's ArcSort)."""
    labels = fst.olabels if by_output else fst.ilabels
    order = np.lexsort((labels, fst.sources))
    return Fst(
        fst.start,
        fst.finals,
        fst.indptr,
        fst.ilabels[order],
        fst.olabels[order],
        fst.weights[order],
        fst.targets[order],
    )

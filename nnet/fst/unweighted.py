"""The smallest deterministic acceptor of sequences that cost nothing, found at one go."""

from __future__ import annotations

from nnet.fst.arrays import Arc, Lists
from nnet.fst.minimize import has_costs

INF = float("inf")
Subset = tuple[int, ...]  # states, rising


def is_unweighted_and_sorted(fst: Lists) -> bool:
    """Whether there are no costs, and all arcs lead to states with higher numbers."""
    return not has_costs(fst) and all(t > s for s, row in enumerate(fst.arcs) for _, _, _, t in row)


def smallest(fst: Lists, most: int) -> Lists:
    """The acceptor with the fewest states of the same sequences; arcs sorted by label, start 0.

    `fst` must be such that `is_unweighted_and_sorted` holds; epsilons are allowed. Raises ValueError if
    there are more than `most` states before equal ones are united.
    """
    subsets, rows = _subsets(fst, most)
    ends = [any(fst.finals[s] != INF for s in subset) for subset in subsets]
    futures: dict[tuple[bool, tuple[tuple[int, int], ...]], int] = {(False, ()): -1}
    first = [0] * len(subsets)  # the state that has the same future, -1: none
    for k in sorted(range(len(subsets)), key=lambda k: subsets[k][0], reverse=True):
        future = tuple([(label, first[t]) for label, t in rows[k] if first[t] >= 0])
        first[k] = futures.setdefault((ends[k], future), k)
    return _numbered(futures, first[0])


def _numbered(futures: dict[tuple[bool, tuple[tuple[int, int], ...]], int], start: int) -> Lists:
    """States in the order of `futures` backwards, so that arcs lead upwards."""
    if start < 0:
        return Lists([], [], -1)
    kept = list(futures.items())[:0:-1]  # without the state that has no future
    number = {k: n for n, (_, k) in enumerate(kept)}
    arcs: list[list[Arc]] = [[(label, label, 0.0, number[t]) for label, t in row] for (_, row), _ in kept]
    return Lists(arcs, [0.0 if end else INF for (end, _), _ in kept], number[start])


def _subsets(fst: Lists, most: int) -> tuple[list[Subset], list[list[tuple[int, int]]]]:
    """Sets of states that are reached together, with their arcs (label, number of a set) sorted by label.

    A set that an arc leads to has a higher smallest state.
    """
    arcs = fst.arcs
    epsilons = {s: [t for i, _, _, t in row if i == 0] for s, row in enumerate(arcs) if _has_epsilon(row)}
    begin = _closed({fst.start}, epsilons)
    number, subsets = {begin: 0}, [begin]
    rows: list[list[tuple[int, int]]] = []
    for subset in subsets:  # also over sets that are met meanwhile
        found: dict[int, set[int]] = {}
        for s in subset:
            for label, _, _, t in arcs[s]:
                if label:
                    found.setdefault(label, set()).add(t)
        row = []
        for label in sorted(found):
            target = _closed(found[label], epsilons)
            k = number.setdefault(target, len(subsets))
            if k == len(subsets):
                subsets.append(target)
            row.append((label, k))
        rows.append(row)
        if len(subsets) > most:
            raise ValueError(f"determinisation reaches more than {most} states")
    return subsets, rows


def _has_epsilon(row: list[Arc]) -> bool:
    return any(arc[0] == 0 for arc in row)


def _closed(states: set[int], epsilons: dict[int, list[int]]) -> Subset:
    """States with those that epsilons lead to."""
    if len(states) > 1 or not epsilons.keys().isdisjoint(states):
        waiting = [s for s in states if s in epsilons]
        while waiting:
            new = [t for t in epsilons.get(waiting.pop(), ()) if t not in states]
            states.update(new)
            waiting += new
        return tuple(sorted(states))
    return tuple(states)

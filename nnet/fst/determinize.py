"""Determinisation of acceptors: one arc for a label at most; and the queue that OpenFst goes by."""

from __future__ import annotations

import math
from collections.abc import Callable

from nnet.fst.arrays import Arc, Fst, Lists, plus_cost
from nnet.fst.push import distances_to_end

DELTA = 1.0 / 1024.0  # costs that remain are rounded to multiples of it
INF = float("inf")
Subset = tuple[tuple[int, float], ...]  # states of the input, rising, with what their costs have left over


def determinize(fst: Fst, best_first: bool = False, most: int | None = None) -> Fst:
    """An acceptor without cycles or epsilons as a deterministic one: the lowest cost of every sequence.

    States are numbered breadth first, or in the order of a search for the best path (OpenFst's Determinize
    for a limited number of states, which prunes as it goes). Raises ValueError if there would be more than
    `most` states.
    """
    return fst if fst.start < 0 else Fst.from_lists(*determinized(fst.as_lists(), best_first, most))


def determinized(fst: Lists, best_first: bool = False, most: int | None = None) -> Lists:
    """The same for lists."""
    if fst.start < 0:
        return fst
    machine = _Subsets(fst)
    rows, order = _best_first(machine, most) if best_first else _breadth_first(machine, most)
    return Lists(rows, [machine.final(s) for s in order])


class _Subsets:
    """Subsets of states, found and expanded on demand."""

    def __init__(self, fst: Lists):
        self.arcs, self.finals, start = fst
        first = ((start, 0.0),)
        self.number: dict[Subset, int] = {first: 0}
        self.subsets: list[Subset] = [first]

    def final(self, k: int) -> float:
        """The cost of ending in subset k."""
        subset = self.subsets[k]
        if len(subset) == 1:
            return self.finals[subset[0][0]]
        return min(plus_cost(w, self.finals[s]) for s, w in subset)

    def expand(self, k: int) -> list[Arc]:
        """Arcs of subset k by label; targets are numbers of subsets."""
        subset = self.subsets[k]
        if len(subset) == 1:
            row = self.arcs[subset[0][0]]
            if len(row) == 1 or len({arc[0] for arc in row}) == len(row):
                return [(label, label, w, self._place(((t, 0.0),))) for label, _, w, t in sorted(row)]
        found: dict[int, dict[int, float]] = {}
        for s, w in subset:
            for label, _, cost, t in self.arcs[s]:
                targets = found.setdefault(label, {})
                targets[t] = min(targets.get(t, INF), plus_cost(w, cost) if w else cost)
        return [self._arc(label, found[label]) for label in sorted(found)]

    def _arc(self, label: int, targets: dict[int, float]) -> Arc:
        lowest = min(targets.values())
        rest = tuple((t, _rounded(plus_cost(targets[t], -lowest))) for t in sorted(targets))
        return label, label, lowest, self._place(rest)

    def _place(self, subset: Subset) -> int:
        """The number of a subset."""
        if (k := self.number.get(subset)) is None:
            k = self.number[subset] = len(self.subsets)
            self.subsets.append(subset)
        return k


def _rounded(cost: float) -> float:
    """A cost in single precision, rounded to a multiple of DELTA (a power of two, so exact)."""
    return math.floor(plus_cost(cost / DELTA, 0.5)) * DELTA if cost and math.isfinite(cost) else cost


def _breadth_first(machine: _Subsets, most: int | None) -> tuple[list[list[Arc]], list[int]]:
    rows: list[list[Arc]] = []
    while len(rows) < len(machine.subsets):
        rows.append(machine.expand(len(rows)))
        _check(len(machine.subsets), most)
    return rows, list(range(len(rows)))


def _best_first(machine: _Subsets, most: int | None) -> tuple[list[list[Arc]], list[int]]:
    """States on better paths first; numbered in the order in which they are met (Prune)."""
    end = distances_to_end(Lists(machine.arcs, machine.finals))
    begin: list[float] = [0.0]
    to_end = [min(plus_cost(w, end[s]) for s, w in machine.subsets[0])]
    queue = BestFirst(lambda k: plus_cost(begin[k], to_end[k]))
    copy, visited, rows = {0: 0}, set(), {}
    queue.put(0)
    while queue.values:
        k = queue.pop()
        visited.add(k)
        row = []
        for label, _, cost, t in machine.expand(k):
            while len(begin) <= t:
                subset = machine.subsets[len(begin)]
                to_end.append(min(plus_cost(w, end[s]) for s, w in subset))
                begin.append(INF)
            begin[t] = min(begin[t], plus_cost(begin[k], cost))
            row.append((label, label, cost, copy.setdefault(t, len(copy))))
            if t not in visited:
                queue.put(t)
        rows[copy[k]] = row
        _check(len(copy), most)
    return [rows[s] for s in range(len(rows))], list(copy)


def _check(states: int, most: int | None) -> None:
    if most is not None and states > most:
        raise ValueError(f"determinisation reaches more than {most} states")


class BestFirst:
    """OpenFst's heap of values whose costs may fall while they wait; its own order among equal costs."""

    def __init__(self, cost: Callable[[int], float]):
        self.cost = cost
        self.values: list[int] = []
        self.place: dict[int, int] = {}

    def put(self, value: int) -> None:
        """Add a value, or tell that its cost is another one now."""
        if value in self.place:
            i = self.place[value]
            if self.cost(value) < self.cost(self.values[(i - 1) // 2 if i else 0]):
                self._rise(i)
            else:
                self._sink(i)
            return
        self.values.append(value)
        self.place[value] = len(self.values) - 1
        self._rise(len(self.values) - 1)

    def pop(self) -> int:
        """Take the value with the lowest cost."""
        top = self.values[0]
        self._swap(0, len(self.values) - 1)
        self.values.pop()
        del self.place[top]
        if self.values:
            self._sink(0)
        return top

    def _swap(self, i: int, j: int) -> None:
        v = self.values
        v[i], v[j] = v[j], v[i]
        self.place[v[i]], self.place[v[j]] = i, j

    def _rise(self, i: int) -> None:
        while i > 0 and not self.cost(self.values[p := (i - 1) // 2]) < self.cost(self.values[i]):
            self._swap(i, p)
            i = p

    def _sink(self, i: int) -> None:
        values, best = self.values, i
        for child in (2 * i + 1, 2 * i + 2):
            if child < len(values) and self.cost(values[child]) < self.cost(values[best]):
                best = child
        if best != i:
            self._swap(i, best)
            self._sink(best)

"""Composition: paths of one FST whose output is the input of another's."""

from __future__ import annotations

from typing import Literal

from nnet.fst.arrays import Arc, Fst, plus_cost
from nnet.fst.order import connect

Match = Literal["first", "second", "both"]
Triple = tuple[int, int, int]  # states of both FSTs, and 1 after an epsilon of the second
INF = float("inf")


def compose(a: Fst, b: Fst, match: Match = "first") -> Fst:
    """Paths of `a` and `b` with the outputs of `a` equal to the inputs of `b`; costs add up. Connected.

    States are numbered as they are met, breadth first. Epsilons of `a` are taken before those of `b`
    (OpenFst's sequence filter). `match` says in which FST a label is looked up; the other one's order of
    arcs is kept; "both": the one with more arcs, which is OpenFst's choice when both are sorted.
    """
    if a.start < 0 or b.start < 0:
        return Fst.from_lists([], [], -1)
    return connect(_Composer(a, b, match).run())


class _Composer:
    def __init__(self, a: Fst, b: Fst, match: Match):
        self.arcs_a, self.arcs_b = a.lists(), b.lists()
        self.finals_a, self.finals_b = a.finals.tolist(), b.finals.tolist()
        self.match = match
        self.tables_a: dict[int, dict[int, list[Arc]]] = {}
        self.tables_b: dict[int, dict[int, list[Arc]]] = {}
        start = (a.start, b.start, 0)
        self.number: dict[Triple, int] = {start: 0}
        self.states: list[Triple] = [start]

    def run(self) -> Fst:
        arcs: list[list[Arc]] = []
        finals: list[float] = []
        s = 0
        while s < len(self.states):
            p, q, _ = self.states[s]
            finals.append(self.finals_a[p] + self.finals_b[q])
            arcs.append(self._expand(*self.states[s]))
            s += 1
        return Fst.from_lists(arcs, finals)

    def _expand(self, p: int, q: int, filtered: int) -> list[Arc]:
        """The arcs of a state."""
        if self.match == "second" or (self.match == "both" and len(self.arcs_a[p]) <= len(self.arcs_b[q])):
            return self._expand_first(p, q, filtered)
        return self._expand_second(p, q, filtered)

    def _expand_first(self, p: int, q: int, filtered: int) -> list[Arc]:
        """Go through the arcs of the first FST, after the epsilons of the second."""
        row, after = self.arcs_b[q], self._after_epsilon(p)
        result = [] if after is None else [self._arc((0, 0, 0.0, p), y, after) for y in row if y[0] == 0]
        table = _table(self.tables_b, q, row, 0)
        for x in self.arcs_a[p]:
            if x[1]:
                result += [self._arc(x, y, 0) for y in table.get(x[1], ())]
            elif not filtered:
                result.append(self._arc(x, (0, 0, 0.0, q), 0))
        return result

    def _expand_second(self, p: int, q: int, filtered: int) -> list[Arc]:
        """Go through the arcs of the second FST, after the epsilons of the first."""
        row, after = self.arcs_a[p], self._after_epsilon(p)
        result = [] if filtered else [self._arc(x, (0, 0, 0.0, q), 0) for x in row if x[1] == 0]
        table = _table(self.tables_a, p, row, 1)
        for y in self.arcs_b[q]:
            if y[0]:
                result += [self._arc(x, y, 0) for x in table.get(y[0], ())]
            elif after is not None:
                result.append(self._arc((0, 0, 0.0, p), y, after))
        return result

    def _after_epsilon(self, p: int) -> int | None:
        """What an epsilon of the second FST leads to, None if it must wait for one of the first."""
        row = self.arcs_a[p]
        epsilons = sum(x[1] == 0 for x in row)
        if epsilons == len(row) and self.finals_a[p] == INF:
            return None
        return int(epsilons > 0)

    def _arc(self, x: Arc, y: Arc, filtered: int) -> Arc:
        state = (x[3], y[3], filtered)
        if (number := self.number.get(state)) is None:
            number = self.number[state] = len(self.states)
            self.states.append(state)
        return x[0], y[1], plus_cost(x[2], y[2]), number


ByLabel = dict[int, list[Arc]]


def _table(tables: dict[int, ByLabel], s: int, row: list[Arc], side: int) -> ByLabel:
    """The arcs of state `s` by label, equal labels in their order."""
    if s not in tables:
        table: ByLabel = {}
        for arc in row:
            table.setdefault(arc[1] if side else arc[0], []).append(arc)
        tables[s] = table
    return tables[s]

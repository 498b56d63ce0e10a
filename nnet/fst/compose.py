"""Composition: paths of one FST whose output is the input of another's."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from nnet.fst.arrays import Arc, Fst, Lists, plus_cost
from nnet.fst.order import connected

Match = Literal["first", "second", "both"]
Triple = tuple[int, int, int]  # states of both FSTs, and 1 after an epsilon of the second
ByLabel = dict[int, list[Arc]]
INF = float("inf")


def compose(a: Fst, b: Fst, match: Match = "first") -> Fst:
    """Paths of `a` and `b` with the outputs of `a` equal to the inputs of `b`; costs add up. Connected.

    States are numbered as they are met, breadth first. Epsilons of `a` are taken before those of `b`
    (OpenFst's sequence filter). `match` says in which FST a label is looked up; the other one's order of
    arcs is kept; "both": the one with more arcs, which is OpenFst's choice when both are sorted.
    """
    return Fst.from_lists(*composed(a.as_lists(), b, match))


def composed(a: Lists, b: Fst, match: Match) -> Lists:
    """The same for lists; what is looked up in `b` is kept for the next call."""
    if a.start < 0 or b.start < 0:
        return Lists([], [], -1)
    return connected(_Composer(Indexed(a, 1), _by_input(b), match).run())


class Indexed:
    """The arcs of an FST, and those of a state by label when first asked for: input (side 0) or output."""

    def __init__(self, fst: Lists, side: int):
        self.arcs, self.finals, self.start = fst
        self.side = side
        self._tables: dict[int, ByLabel] = {}

    def by_label(self, s: int) -> ByLabel:
        """The arcs of state `s` by label, equal labels in their order."""
        table = self._tables.get(s)
        if table is None:
            table = self._tables[s] = {}
            for arc in self.arcs[s]:
                table.setdefault(arc[1] if self.side else arc[0], []).append(arc)
        return table


@lru_cache(maxsize=4)
def _by_input(fst: Fst) -> Indexed:
    """An FST that much may be composed with, such as a normalization FST, is listed once."""
    return Indexed(fst.as_lists(), 0)


class _Composer:
    def __init__(self, a: Indexed, b: Indexed, match: Match):
        self.a, self.b, self.match = a, b, match
        start = (a.start, b.start, 0)
        self.number: dict[Triple, int] = {start: 0}
        self.states: list[Triple] = [start]

    def run(self) -> Lists:
        finals_a, finals_b = self.a.finals, self.b.finals
        arcs: list[list[Arc]] = []
        finals: list[float] = []
        for p, q, filtered in self.states:  # also over states that are met meanwhile
            finals.append(plus_cost(finals_a[p], finals_b[q]))
            arcs.append(self._expand(p, q, filtered))
        return Lists(arcs, finals)

    def _expand(self, p: int, q: int, filtered: int) -> list[Arc]:
        """The arcs of a state."""
        match = self.match
        if match == "second" or (match == "both" and len(self.a.arcs[p]) <= len(self.b.arcs[q])):
            return self._expand_first(p, q, filtered)
        return self._expand_second(p, q, filtered)

    def _expand_first(self, p: int, q: int, filtered: int) -> list[Arc]:
        """Go through the arcs of the first FST, after the epsilons of the second."""
        table, result = self.b.by_label(q), []
        if epsilons := table.get(0):
            after = self._after_epsilon(p)
            result = [] if after is None else [self._arc((0, 0, 0.0, p), y, after) for y in epsilons]
        for x in self.a.arcs[p]:
            if x[1]:
                for y in table.get(x[1], ()):
                    result.append(self._arc(x, y, 0))
            elif not filtered:
                result.append(self._arc(x, (0, 0, 0.0, q), 0))
        return result

    def _expand_second(self, p: int, q: int, filtered: int) -> list[Arc]:
        """Go through the arcs of the second FST, after the epsilons of the first."""
        table, after = self.a.by_label(p), self._after_epsilon(p)
        result = [] if filtered else [self._arc(x, (0, 0, 0.0, q), 0) for x in table.get(0, ())]
        for y in self.b.arcs[q]:
            if y[0]:
                result += [self._arc(x, y, 0) for x in table.get(y[0], ())]
            elif after is not None:
                result.append(self._arc((0, 0, 0.0, p), y, after))
        return result

    def _after_epsilon(self, p: int) -> int | None:
        """What an epsilon of the second FST leads to, None if it must wait for one of the first."""
        row = self.a.arcs[p]
        epsilons = sum(x[1] == 0 for x in row)
        if epsilons == len(row) and self.a.finals[p] == INF:
            return None
        return int(epsilons > 0)

    def _arc(self, x: Arc, y: Arc, filtered: int) -> Arc:
        state = (x[3], y[3], filtered)
        if (number := self.number.get(state)) is None:
            number = self.number[state] = len(self.states)
            self.states.append(state)
        cost = x[2] + y[2]  # exact where one of them is 0
        return x[0], y[1], plus_cost(cost, 0.0) if x[2] and y[2] else cost, number

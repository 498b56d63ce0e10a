"""Phones in context: an acceptor of phones becomes one of windows of phones."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from nnet.fst.arrays import Arc, Fst

Window = tuple[int, ...]
INF = float("inf")


def expand_context(fst: Fst, phones: Sequence[int], width: int, central: int) -> tuple[Fst, list[Window]]:
    """`fst` with labels that number windows of `width` phones, and what the labels mean (0: nothing).

    The phone of an arc of `fst` is the last in its window, position `central` the one that is said; output
    labels stay. Windows reach beyond the ends of a sequence with zeros. Windows and states are numbered as
    they are met, breadth first (AddSubsequentialLoop, InverseContextFst,
    ComposeDeterministicOnDemandInverse). Raises ValueError for a label that is none of `phones`.
    """
    known = frozenset(phones)
    if unknown := set(fst.ilabels.tolist()) - known - {0}:
        raise ValueError(f"the phone {min(unknown)} of an FST is not in the topology")
    if fst.start < 0:
        return fst, [()]
    end = max(known) + 1
    if central != width - 1:
        fst = _with_end_symbol(fst, end)
    return _Expander(fst, end, width, central).run()


def _with_end_symbol(fst: Fst, end: int) -> Fst:
    """Any number of symbols `end` may follow each path."""
    arcs, finals = fst.lists(), fst.finals.tolist()
    last = len(finals)
    for row, final in zip(arcs, finals):
        if final != INF:
            row.append((end, 0, final, last))
    return Fst.from_lists([*arcs, [(end, 0, 0.0, last)]], [*finals, 0.0], fst.start)


class _Expander:
    def __init__(self, fst: Fst, end: int, width: int, central: int):
        self.arcs, self.finals, self.start = fst.lists(), fst.finals.tolist(), fst.start
        self.end, self.width, self.central = end, width, central
        self.labels: dict[Window, int] = {(): 0}

    def run(self) -> tuple[Fst, list[Window]]:
        first = ((0,) * (self.width - 1), self.start)
        number: dict[tuple[Window, int], int] = {first: 0}
        queue = deque([first])
        rows: list[list[Arc]] = []
        finals: list[float] = []
        while queue:
            history, s = queue.popleft()
            finals.append(self.finals[s] if self._may_end(history) else INF)
            row: list[Arc] = []
            for phone, word, cost, target in self.arcs[s]:
                if phone and not self._may_follow(history, phone):
                    continue
                label, following = self._step(history, phone) if phone else (0, history)
                if (state := (following, target)) not in number:
                    number[state] = len(number)
                    queue.append(state)
                row.append((label, word, cost, number[state]))
            rows.append(row)
        return Fst.from_lists(rows, np.array(finals, np.float32)), list(self.labels)

    def _may_end(self, history: Window) -> bool:
        return self.central == self.width - 1 or history[self.central] == self.end

    def _may_follow(self, history: Window, phone: int) -> bool:
        if phone == self.end:
            return self.central + 1 < self.width and history[self.central] != self.end
        return not history or history[-1] != self.end

    def _step(self, history: Window, phone: int) -> tuple[int, Window]:
        """Label of the window that `phone` completes, and the history after it."""
        full = (*history, phone)
        after = self.central + 1
        window = full[:after] + tuple(0 if p == self.end else p for p in full[after:])
        if window[self.central] == 0:  # nothing is said yet
            return 0, full[1:]
        return self.labels.setdefault(window, len(self.labels)), full[1:]

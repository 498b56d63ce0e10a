"""Removing epsilons where that makes an FST no larger."""

from __future__ import annotations

import numpy as np

from nnet.fst.arrays import Arc, Fst, plus_cost
from nnet.fst.components import strong_components
from nnet.fst.order import connect

INF = float("inf")
GONE = -1  # the target of an arc that was removed


def remove_epsilons_locally(fst: Fst) -> Fst:
    """An equal FST in which an arc is joined with those that follow it, where one of the two has no label.

    Done where the state between has one arc in or one arc out; other epsilons stay, all of
    them if there is a cycle of epsilons (RemoveEpsLocal).
    """
    return fst if fst.start < 0 or _has_empty_cycle(fst) else _Remover(fst).run()


def _has_empty_cycle(fst: Fst) -> bool:
    empty = (fst.ilabels == 0) & (fst.olabels == 0)
    if not empty.any():
        return False
    s, i, w, t = (c[empty] for c in (fst.sources, fst.ilabels, fst.weights, fst.targets))
    epsilons = Fst.from_columns(s, i, i, w, t, fst.finals, fst.start)
    component = strong_components(epsilons)
    return bool((component[epsilons.sources] == component[epsilons.targets]).any())


class _Remover:
    """Arcs as lists that grow, with the numbers of arcs into and out of states (ends count as arcs)."""

    def __init__(self, fst: Fst):
        self.arcs: list[list[Arc]] = fst.lists()
        self.finals: list[float] = fst.finals.tolist()
        self.start = fst.start
        size = fst.num_states
        self.num_in = np.bincount(fst.targets, minlength=size).tolist()
        self.num_in[fst.start] += 1
        self.num_out = (np.diff(fst.indptr) + np.isfinite(fst.finals)).tolist()

    def run(self) -> Fst:
        for s, row in enumerate(self.arcs):
            place = 0
            while place < len(row):  # also over arcs that are added meanwhile
                self._remove(s, place)
                place += 1
        arcs = [[arc for arc in row if arc[3] != GONE] for row in self.arcs]
        return connect(Fst.from_lists(arcs, self.finals, self.start))

    def _remove(self, s: int, place: int) -> None:
        between = self.arcs[s][place][3]
        if between in (GONE, s):
            return
        if self.num_in[between] == 1 and self.num_out[between] > 1:
            self._join_with_many(s, place)
        elif self.num_out[between] == 1:
            self._join_with_one(s, place)

    def _join_with_many(self, s: int, place: int) -> None:
        """The only arc into a state goes on with each of that state's arcs, as far as labels allow."""
        arc = self.arcs[s][place]
        between = arc[3]
        removed = kept = INF
        added = []
        row = self.arcs[between]
        for k, following in enumerate(row):
            if following[3] == GONE:
                continue
            if joint := _joined(arc, following):
                removed = min(removed, following[2])
                self._drop(between, k)
                added.append(joint)
            else:
                kept = min(kept, following[2])
        if self.finals[between] != INF:
            if _is_empty(arc):
                removed = min(removed, self.finals[between])
                self._end(s, plus_cost(arc[2], self.finals[between]))
                self.num_out[between] -= 1
                self.finals[between] = INF
            else:
                kept = min(kept, self.finals[between])
        if removed != INF and kept == INF:
            self._drop(s, place)
        elif removed != INF:
            self._reweight(s, place, plus_cost(kept, -min(removed, kept)))
        for joint in added:
            self._add(s, joint)

    def _join_with_one(self, s: int, place: int) -> None:
        """An arc into a state with a single arc out, or only an end, goes on with it, if labels allow."""
        arc = self.arcs[s][place]
        between = arc[3]
        alone = self.num_in[between] == 1
        if (final := self.finals[between]) != INF:
            if not _is_empty(arc):
                return
            self._end(s, plus_cost(arc[2], final))
            if alone:
                self.num_out[between] -= 1
                self.finals[between] = INF
        else:
            row = self.arcs[between]
            k = next(k for k, a in enumerate(row) if a[3] != GONE)
            joint = _joined(arc, row[k])
            if joint is None:
                return
            if alone:
                self._drop(between, k)
            self._add(s, joint)
        self._drop(s, place)

    def _drop(self, s: int, place: int) -> None:
        i, o, w, t = self.arcs[s][place]
        self.num_out[s] -= 1
        self.num_in[t] -= 1
        self.arcs[s][place] = (i, o, w, GONE)

    def _add(self, s: int, arc: Arc) -> None:
        self.num_out[s] += 1
        self.num_in[arc[3]] += 1
        self.arcs[s].append(arc)

    def _end(self, s: int, cost: float) -> None:
        if self.finals[s] == INF:
            self.num_out[s] += 1
        self.finals[s] = min(self.finals[s], cost)

    def _reweight(self, s: int, place: int, cost: float) -> None:
        """Move `cost` from what follows an arc to the arc itself."""
        i, o, w, t = self.arcs[s][place]
        self.arcs[s][place] = (i, o, plus_cost(w, cost), t)
        self.arcs[t] = [
            a if a[3] == GONE else (a[0], a[1], plus_cost(a[2], -cost), a[3]) for a in self.arcs[t]
        ]
        if self.finals[t] != INF:
            self.finals[t] = plus_cost(self.finals[t], -cost)


def _is_empty(arc: Arc) -> bool:
    return arc[0] == 0 and arc[1] == 0


def _joined(a: Arc, b: Arc) -> Arc | None:
    """Two arcs as one, unless both have an input or both an output label."""
    if (a[0] and b[0]) or (a[1] and b[1]):
        return None
    return a[0] or b[0], a[1] or b[1], plus_cost(a[2], b[2]), b[3]

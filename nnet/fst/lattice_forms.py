"""From compact lattices to those with a transition-id on every arc, and back."""

from __future__ import annotations

import numpy as np

from nnet.fst.lattice import ONE, ZERO, Lattice, LatticeArc, Weight, sort_topologically, times
from nnet.fst.order import depth_first


def expanded(lattice: Lattice) -> Lattice:
    """A compact lattice as one with transition-ids as input labels, one on each arc (ConvertLattice)."""
    if not lattice.compact:
        return lattice
    builder = _Expansion(lattice)
    for s, row in enumerate(lattice.arcs):
        builder.end(s, lattice.finals[s])
        for label, _, weight, target in row:
            builder.chain(s, label, weight, target)
    return Lattice(lattice.start, builder.arcs, builder.finals, compact=False)


class _Expansion:
    def __init__(self, lattice: Lattice):
        self.arcs: list[list[LatticeArc]] = [[] for _ in lattice.arcs]
        self.finals = [ZERO] * len(lattice.arcs)

    def end(self, s: int, weight: Weight) -> None:
        """A final weight; its transition-ids become arcs to new states."""
        cost = Weight(weight.graph, weight.acoustic)
        for i in weight.ids:
            s, cost = self._step(s, i, 0, cost), ONE
        self.finals[s] = cost

    def chain(self, s: int, label: int, weight: Weight, target: int) -> None:
        """An arc with any number of transition-ids."""
        cost = Weight(weight.graph, weight.acoustic)
        for i in weight.ids[:-1]:
            s, label, cost = self._step(s, i, label, cost), 0, ONE
        self.arcs[s].append((weight.ids[-1] if weight.ids else 0, label, cost, target))

    def _step(self, s: int, ilabel: int, olabel: int, cost: Weight) -> int:
        self.arcs.append([])
        self.finals.append(ZERO)
        self.arcs[s].append((ilabel, olabel, cost, len(self.arcs) - 1))
        return len(self.arcs) - 1


def compacted(lattice: Lattice) -> Lattice:
    """A lattice with transition-ids as input labels as a compact one, chains of arcs made one (Factor)."""
    if lattice.compact:
        return lattice
    inside = _inside_chains(lattice)
    number: dict[int, int] = {}
    arcs: dict[int, list[LatticeArc]] = {}
    for s in depth_first(lattice.shape())[0]:
        if inside[s]:
            continue
        here = number.setdefault(s, len(number))
        arcs[here] = []
        for i, o, w, t in lattice.arcs[s]:
            ids: tuple[int, ...] = (i,) if i else ()
            weight, target = w, t
            while inside[target]:
                j, _, v, target = lattice.arcs[target][0]
                ids, weight = ids + ((j,) if j else ()), times(weight, v)
            end = number.setdefault(target, len(number))
            arcs[here].append((o, o, Weight(weight.graph, weight.acoustic, ids), end))
    finals = [lattice.finals[s] for s in number]
    start = number.get(lattice.start, -1)
    compact = Lattice(start, [arcs[k] for k in range(len(finals))], finals)
    return sort_topologically(compact, again=True) if start >= 0 else compact


def _inside_chains(lattice: Lattice) -> list[bool]:
    """States with one arc in and one out, the latter without a word, that are neither start nor end."""
    targets = [t for row in lattice.arcs for _, _, _, t in row]
    into = np.bincount(np.array(targets, np.int64), minlength=lattice.num_states).tolist()
    return [
        s != lattice.start and into[s] == 1 and len(row) == 1 and row[0][1] == 0 and lattice.finals[s] == ZERO
        for s, row in enumerate(lattice.arcs)
    ]

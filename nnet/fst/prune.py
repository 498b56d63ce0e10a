"""Lattices without the paths that are much worse than the best one, or with the best one alone."""

from __future__ import annotations

import numpy as np

from nnet.fst.lattice import INF, ZERO, Lattice, LatticeArc, Weight, connect, sort_topologically


def prune(lattice: Lattice, beam: float, acoustic_scale: float = 1.0) -> Lattice:
    """The arcs and ends that are on a path at most `beam` worse than the best (Kaldi's lattice-prune).

    `beam` in units of costs whose acoustic part counts with `acoustic_scale`; weights stay as they are.
    States are sorted topologically; start -1 if there is no path. Raises ValueError for a cycle or a beam
    of 0.
    """
    if not beam > 0:
        raise ValueError(f"a beam of {beam:g} leaves no path; it must be above 0")
    if lattice.start < 0:
        return lattice
    lattice = sort_topologically(lattice)
    before, after = _forward(lattice, acoustic_scale), _backward(lattice, acoustic_scale)
    limit = after[lattice.start] + beam

    def kept(s: int, arc: LatticeArc) -> bool:
        return before[s] + _cost(arc[2], acoustic_scale) + after[arc[3]] <= limit

    arcs = [[arc for arc in row if kept(s, arc)] for s, row in enumerate(lattice.arcs)]
    ends = [before[s] + _cost(w, acoustic_scale) <= limit for s, w in enumerate(lattice.finals)]
    finals = [w if good else ZERO for w, good in zip(lattice.finals, ends)]
    return connect(Lattice(lattice.start, arcs, finals, lattice.compact))


def best_path(lattice: Lattice, acoustic_scale: float = 1.0) -> Lattice:
    """The path of the lowest cost alone, the first of equal ones (Kaldi's lattice-1best).

    Start -1 if there is no path. Raises ValueError for a cycle.
    """
    nothing = Lattice(-1, [], [], lattice.compact)
    if lattice.start < 0:
        return nothing
    lattice = sort_topologically(lattice)
    cost = [INF] * lattice.num_states
    arrival: list[tuple[int, LatticeArc] | None] = [None] * lattice.num_states
    cost[lattice.start] = 0.0
    for s, row in enumerate(lattice.arcs):
        for arc in row:
            if (total := cost[s] + _cost(arc[2], acoustic_scale)) < cost[arc[3]]:
                cost[arc[3]], arrival[arc[3]] = total, (s, arc)
    ends = [c + _cost(w, acoustic_scale) for c, w in zip(cost, lattice.finals)]
    last = int(np.argmin(ends))
    if ends[last] == INF:
        return nothing
    path: list[LatticeArc] = []
    s = last
    while (step := arrival[s]) is not None:
        s, arc = step
        path.append(arc)
    arcs = [[(i, o, w, n + 1)] for n, (i, o, w, _) in enumerate(reversed(path))]
    return Lattice(0, [*arcs, []], [ZERO] * len(path) + [lattice.finals[last]], lattice.compact)


def _cost(w: Weight, acoustic_scale: float) -> float:
    """A weight as one number, the acoustic cost scaled in single precision as ScaleLattice does."""
    return INF if w == ZERO else w.graph + float(np.float32(w.acoustic * acoustic_scale))


def _forward(lattice: Lattice, acoustic_scale: float) -> list[float]:
    """The lowest cost from the start to each state of a sorted lattice."""
    cost = [INF] * lattice.num_states
    cost[lattice.start] = 0.0
    for s, row in enumerate(lattice.arcs):
        for _, _, w, t in row:
            cost[t] = min(cost[t], cost[s] + _cost(w, acoustic_scale))
    return cost


def _backward(lattice: Lattice, acoustic_scale: float) -> list[float]:
    """The lowest cost from each state of a sorted lattice to an end."""
    cost = [_cost(w, acoustic_scale) for w in lattice.finals]
    for s in range(lattice.num_states - 1, -1, -1):
        for _, _, w, t in lattice.arcs[s]:
            cost[s] = min(cost[s], _cost(w, acoustic_scale) + cost[t])
    return cost

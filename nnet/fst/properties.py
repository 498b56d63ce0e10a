"""What OpenFst's files say about an FST: pairs of bits, one for yes and one for no, none for unknown."""

from __future__ import annotations

import numpy as np

from nnet.fst.arrays import Fst
from nnet.fst.components import accessible, coaccessible, strong_components

EXPANDED, MUTABLE = 1, 2  # how a file's type of FST works in OpenFst; nothing about the FST itself
ACCEPTOR = 1 << 16
I_DETERMINISTIC = 1 << 18
O_DETERMINISTIC = 1 << 20
EPSILONS = 1 << 22
I_EPSILONS = 1 << 24
O_EPSILONS = 1 << 26
I_SORTED = 1 << 28
O_SORTED = 1 << 30
WEIGHTED = 1 << 32
CYCLIC = 1 << 34
INITIAL_CYCLIC = 1 << 36
TOP_SORTED = 1 << 38
ACCESSIBLE = 1 << 40
COACCESSIBLE = 1 << 42
STRING = 1 << 44
WEIGHTED_CYCLES = 1 << 46
_YES = sum(1 << b for b in range(16, 48, 2))
KNOWN = _YES * 3  # all pairs


def no(bit: int) -> int:
    """The bit that says that the property of `bit` does not hold."""
    return bit << 1


def all_known(properties: int) -> bool:
    """Whether every property is said to hold or not to hold."""
    return (properties | properties >> 1) & _YES == _YES


def compute_properties(fst: Fst) -> int:
    """All properties of `fst` (OpenFst's ComputeProperties); the two bits of how a file works are not set."""
    scc = strong_components(fst)
    inside = scc[fst.sources] == scc[fst.targets]  # arcs on cycles
    weighted = (fst.weights != 0) & ~np.isinf(fst.weights)
    finite = fst.finals[np.isfinite(fst.finals)]
    at_start = inside[fst.indptr[fst.start] : fst.indptr[fst.start + 1]] if fst.start >= 0 else inside[:0]
    holds = {
        ACCEPTOR: np.array_equal(fst.ilabels, fst.olabels),
        I_DETERMINISTIC: _unique(fst, fst.ilabels),
        O_DETERMINISTIC: _unique(fst, fst.olabels),
        EPSILONS: ((fst.ilabels == 0) & (fst.olabels == 0)).any(),
        I_EPSILONS: (fst.ilabels == 0).any(),
        O_EPSILONS: (fst.olabels == 0).any(),
        I_SORTED: _sorted(fst, fst.ilabels),
        O_SORTED: _sorted(fst, fst.olabels),
        WEIGHTED: weighted.any() or (finite != 0).any(),
        CYCLIC: inside.any(),
        INITIAL_CYCLIC: at_start.any(),
        TOP_SORTED: (fst.targets > fst.sources).all(),
        ACCESSIBLE: accessible(fst).all(),
        COACCESSIBLE: coaccessible(fst).all(),
        STRING: _is_string(fst),
        WEIGHTED_CYCLES: (weighted & inside).any(),
    }
    return sum(bit if yes else no(bit) for bit, yes in holds.items())


def is_sorted(fst: Fst) -> bool:
    """Whether the arcs of every state are sorted by input."""
    return _sorted(fst, fst.ilabels)


def _unique(fst: Fst, labels: np.ndarray) -> bool:
    """Whether no two arcs of a state have the same label."""
    order = np.lexsort((labels, fst.sources))
    return not ((np.diff(labels[order]) == 0) & (np.diff(fst.sources[order]) == 0)).any()


def _sorted(fst: Fst, labels: np.ndarray) -> bool:
    return not ((np.diff(labels) < 0) & (np.diff(fst.sources) == 0)).any()


def _is_string(fst: Fst) -> bool:
    """Whether there is one path, its states in order."""
    final = np.isfinite(fst.finals)
    one_arc = np.diff(fst.indptr) == 1
    return bool(
        fst.start <= 0
        and (fst.targets == fst.sources + 1).all()
        and not final[:-1].any()
        and (one_arc | final).all()
    )

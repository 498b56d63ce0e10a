"""What OpenFst's files say about an FST: pairs of bits, one for yes and one for no, none for unknown."""

from __future__ import annotations

from typing import NamedTuple

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
    sources, end = fst.sources, np.isfinite(fst.finals)
    rising = bool((fst.targets > sources).all())
    inside = np.zeros(fst.num_arcs, bool) if rising else _on_cycles(fst, sources)
    weighted = (fst.weights != 0) & ~np.isinf(fst.weights)
    at_start = inside[fst.indptr[fst.start] : fst.indptr[fst.start + 1]] if fst.start >= 0 else inside[:0]
    acceptor = np.array_equal(fst.ilabels, fst.olabels)
    inputs = _order(sources, fst.ilabels)
    outputs = inputs if acceptor else _order(sources, fst.olabels)
    i_epsilon = fst.ilabels == 0
    o_epsilon = i_epsilon if acceptor else fst.olabels == 0
    holds = {
        ACCEPTOR: acceptor,
        I_DETERMINISTIC: inputs.unique,
        O_DETERMINISTIC: outputs.unique,
        EPSILONS: (i_epsilon & o_epsilon).any(),
        I_EPSILONS: i_epsilon.any(),
        O_EPSILONS: o_epsilon.any(),
        I_SORTED: inputs.rising,
        O_SORTED: outputs.rising,
        WEIGHTED: weighted.any() or (fst.finals[end] != 0).any(),
        CYCLIC: inside.any(),
        INITIAL_CYCLIC: at_start.any(),
        TOP_SORTED: rising,
        ACCESSIBLE: (rising and _all_entered(fst)) or accessible(fst).all(),
        COACCESSIBLE: (rising and _all_left(fst, end)) or coaccessible(fst).all(),
        STRING: _is_string(fst, sources, end),
        WEIGHTED_CYCLES: not rising and (weighted & inside).any(),
    }
    return sum(bit if yes else no(bit) for bit, yes in holds.items())


def _on_cycles(fst: Fst, sources: np.ndarray) -> np.ndarray:
    component = strong_components(fst)
    return component[sources] == component[fst.targets]


def _all_entered(fst: Fst) -> bool:
    """Whether an arc leads to every state but the start, state 0."""
    return fst.start == 0 and bool(np.bincount(fst.targets, minlength=fst.num_states)[1:].all())


def _all_left(fst: Fst, end: np.ndarray) -> bool:
    """Whether an arc leads on from every state that is no end."""
    return bool((end | (fst.indptr[1:] > fst.indptr[:-1])).all())


class _Order(NamedTuple):
    """Whether the labels of every state's arcs rise, or stay, from one to the next; whether they differ."""

    rising: bool
    unique: bool


def _order(sources: np.ndarray, labels: np.ndarray) -> _Order:
    key = sources * (int(labels.max(initial=0)) - int(labels.min(initial=0)) + 1) + labels
    step = key[1:] - key[:-1]  # below 0 only within a state
    rising = not (step < 0).any()
    if not rising:
        key.sort()
        step = key[1:] - key[:-1]
    return _Order(rising, bool((step != 0).all()))


def is_sorted(fst: Fst) -> bool:
    """Whether the arcs of every state are sorted by input."""
    return _order(fst.sources, fst.ilabels).rising


def _is_string(fst: Fst, sources: np.ndarray, end: np.ndarray) -> bool:
    """Whether there is one path, its states in order."""
    one_arc = fst.indptr[1:] - fst.indptr[:-1] == 1
    return bool(
        fst.start <= 0 and (fst.targets == sources + 1).all() and not end[:-1].any() and (one_arc | end).all()
    )

"""Alignments and features by chance, in which the sound of a phone depends on the phone before it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnet.formats.topology import HmmState, Topology, topology
from nnet.formats.transitions import TransitionModel, transition_model
from nnet.formats.tree import monophone_tree

PHONES = [1, 2, 3, 4]
END = HmmState(-1, -1, ())
CHAIN = (HmmState(0, 1, ((0, 0.5), (1, 0.5))), END)
TWO_STATES = (*(HmmState(i, i, ((i, 0.75), (i + 1, 0.25))) for i in range(2)), END)


def monophones(states: Sequence[HmmState]) -> TransitionModel:
    """The monophone model of the phones with one topology."""
    topo = topology(states, PHONES)
    return transition_model(monophone_tree(classes_of(topo)), topo)


def classes_of(topo: Topology) -> dict[int, int]:
    """Phone -> pdf classes."""
    return {p: topo.num_pdf_classes(p) for p in topo.phones}


def aligned(model: TransitionModel, phones: Sequence[int], lengths: Sequence[int]) -> np.ndarray:
    """Transition-ids of phones of `lengths` frames: states in turn, the last one staying."""
    ids = []
    for phone, length in zip(phones, lengths):
        rows = [k for k, row in enumerate(model.tuples.tolist()) if row[0] == phone]
        leave = [next(i for i in model.ids_of_state(k) if not model.is_self_loop(i)) for k in rows]
        stay = next(i for i in model.ids_of_state(rows[-1]) if model.is_self_loop(i))
        ids += leave + [stay] * (length - len(leave))
    return np.array(ids, np.int32)


def utterance(
    model: TransitionModel, rng: np.random.Generator, dim: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """(transition-ids, features) of a few phones."""
    phones = rng.integers(1, len(PHONES) + 1, 6).tolist()
    lengths = rng.integers(2, 7, 6).tolist()
    before = np.repeat([0, *phones[:-1]], lengths)
    own = np.repeat(phones, lengths)
    mean = np.stack([own * (k + 1.0) + (before > 2) * (3.0 - k) for k in range(dim)], axis=1)
    return aligned(model, phones, lengths), (mean + rng.normal(size=mean.shape)).astype(np.float32)

"""Denominator of LF-MMI: forward-backward over the graph of all phone sequences, many sequences at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nnet.backend import Array
from nnet.fst.arrays import Fst
from nnet.kernels.denominator import Arcs, Transitions, forward_backward

INITIAL_STEPS = 100  # of the walk whose average gives the initial probabilities


@dataclass(frozen=True)
class Denominator:
    """Log probability of each sequence (N,) float64; pdf posteriors (T, N, D) if asked for; whether to trust
    them. All lie where the outputs do.
    """

    log_prob: Array
    posterior: Array | None
    good: Any


@dataclass(frozen=True)
class DenominatorGraph(Transitions):
    """The denominator FST as `kernels.denominator` takes it."""

    @classmethod
    def from_fst(cls, fst: Fst, num_pdfs: int) -> DenominatorGraph:
        """From den.fst, an acceptor of pdf + 1. Raises ValueError if a label is no pdf of the network."""
        pdf = fst.ilabels.astype(np.int64) - 1
        if not len(pdf):
            raise ValueError("the denominator FST has no arcs")
        if pdf.min() < 0 or pdf.max() >= num_pdfs:
            wrong = pdf.min() + 1 if pdf.min() < 0 else pdf.max() + 1
            raise ValueError(
                f"the denominator FST has the label {wrong}, but the network's output has {num_pdfs} pdfs: "
                "was it made with another tree?"
            )
        probability = np.exp(-fst.weights.astype(np.float64))
        initial = initial_probabilities(fst)
        return cls.of(Arcs(fst.sources, fst.targets, pdf, probability, initial, num_pdfs))


def initial_probabilities(fst: Fst) -> np.ndarray:
    """(S,) float64: average over 100 steps of a walk from the start, arcs and ends of each state normalised.

    Raises ValueError if a state's arcs do not sum to a reasonable number (DenominatorGraph::SetInitialProbs).
    """
    probability = np.exp(-fst.weights.astype(np.float64))
    total = np.exp(-fst.finals.astype(np.float64))
    total += np.bincount(fst.sources, probability, minlength=fst.num_states)
    if fst.start < 0 or not ((total > 0) & (total < 100)).all():
        raise ValueError("the denominator FST has no start, or a state whose arcs' probabilities are no such")
    step = probability / total[fst.sources]
    now, average = (np.arange(fst.num_states) == fst.start).astype(float), np.zeros(fst.num_states)
    for _ in range(INITIAL_STEPS):
        average += now / INITIAL_STEPS
        arrived = np.bincount(fst.targets, step * now[fst.sources], minlength=fst.num_states)
        now = arrived / arrived.sum()
    return average


def denominator(
    graph: DenominatorGraph, output: Array, leaky: float, with_posterior: bool = True
) -> Denominator:
    """Forward-backward of outputs (T, N, D) over `graph`; `leaky` is the leaky-HMM coefficient, 0 is none."""
    return Denominator(*forward_backward(graph, output, leaky, with_posterior))

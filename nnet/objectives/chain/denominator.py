"""Denominator of LF-MMI: forward-backward over the graph of all phone sequences, many sequences at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from nnet.backend import Array, array_module, to_host
from nnet.fst.arrays import Fst
from nnet.kernels.gather_sum import GatherSum, gather

LIMIT = 30.0  # outputs are clipped to +-LIMIT before exp, as in Kaldi
INITIAL_STEPS = 100  # of the walk whose average gives the initial probabilities
TOLERANCE = 2.0  # by how much sums over all sequences may miss their number
BLOCK = 32  # sequences computed together: what belongs to a frame then fits into a processor's cache


@dataclass(frozen=True)
class Denominator:
    """Log probability of each sequence (N,) float64; pdf posteriors (T, N, D) if asked for; whether to trust
    them.
    """

    log_prob: np.ndarray
    posterior: Array | None
    good: bool


@dataclass(frozen=True)
class DenominatorGraph:
    """Transitions of the denominator FST, prepared for sums over whole minibatches.

    Arcs that enter a state with one pdf form a group: their sum does not depend on the network. `initial`
    (S,): probability of being in a state at any time. Groups g have `group_pdf` and `group_state`.
    """

    num_pdfs: int
    initial: np.ndarray
    group_pdf: np.ndarray
    group_state: np.ndarray
    into_groups: GatherSum = field(repr=False)  # (S, N) -> (G, N), with transition probabilities
    out_of_groups: GatherSum = field(repr=False)  # its transpose
    into_states: GatherSum = field(repr=False)  # (G, N) -> (S, N), plain sums
    into_pdfs: GatherSum = field(repr=False)  # (G, N) -> (D, N), plain sums

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
        states, source = fst.num_states, fst.sources
        probability = np.exp(-fst.weights.astype(np.float64))
        pairs, group = np.unique(fst.targets.astype(np.int64) * num_pdfs + pdf, return_inverse=True)
        state, group_pdf = np.divmod(pairs, num_pdfs)
        groups = np.arange(len(pairs))
        return cls(
            num_pdfs,
            initial_probabilities(fst),
            group_pdf,
            state,
            GatherSum(group, source, probability, len(pairs)),
            GatherSum(source, group, probability, states),
            GatherSum(state, groups, None, states),
            GatherSum(group_pdf, groups, None, num_pdfs),
        )

    @property
    def num_states(self) -> int:
        """S."""
        return len(self.initial)


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
    """Forward-backward of outputs (T, N, D) over `graph`; `leaky` is the leaky-HMM coefficient, 0 is none.

    Probabilities, not logarithms, scaled by the sum over states of the frame before (chain-denominator.cc).
    """
    xp = array_module(output)
    posterior = xp.empty_like(output) if with_posterior else None
    parts, good = [], True
    for first in range(0, output.shape[1], BLOCK):
        block = slice(first, first + BLOCK)
        with np.errstate(all="ignore"):  # what is not finite is found by the caller
            log_prob, fine = _block(
                graph, output[:, block], leaky, None if posterior is None else posterior[:, block]
            )
        parts.append(log_prob)
        good = good and fine
    return Denominator(np.concatenate(parts), posterior, good)


def _block(
    graph: DenominatorGraph, output: Array, leaky: float, posterior: Array | None
) -> tuple[np.ndarray, bool]:
    """Log probabilities of sequences (N,); fills `posterior` (T, N, D) if given."""
    xp = array_module(output)
    initial = xp.asarray(graph.initial, output.dtype)[:, None]
    pdf = xp.asarray(graph.group_pdf)
    T, N, _ = output.shape

    def likelihood(t: int) -> Array:
        """exp(y_t) of every group (G, N)."""
        y = output[t].T.copy()
        return gather(xp.exp(xp.clip(y, -LIMIT, LIMIT, out=y), out=y), pdf)

    kept: list[Array] | None = [] if posterior is not None else None  # of every frame, what enters the groups
    alpha = xp.repeat(initial, N, axis=1)
    scales = xp.empty((T, N), output.dtype)
    for t in range(T):
        scales[t] = alpha.sum(axis=0)
        alpha += leaky * initial * scales[t]
        entering = graph.into_groups(alpha)
        if kept is not None:
            kept.append(entering)
            entering = entering * likelihood(t)
        else:
            entering *= likelihood(t)
        alpha = graph.into_states(entering)
        alpha /= scales[t]
    total = alpha.sum(axis=0)
    total = total + leaky * initial.sum() * total
    log_prob = to_host(xp.log(total).astype(np.float64) + xp.log(scales.astype(np.float64)).sum(axis=0))
    if posterior is None or kept is None:
        return log_prob, True
    start = _backward(graph, likelihood, leaky, kept, scales, total, posterior)
    first = initial * (1 + leaky * scales[0])  # alpha at the first frame, (S, N)
    return log_prob, _balanced(float((start * first).sum()), N) and _balanced(float(posterior[0].sum()), N)


def _balanced(total: float, wanted: int) -> bool:
    """Whether a sum that should be `wanted` is near it; not so if it is NaN."""
    return abs(total - wanted) <= TOLERANCE


def _backward(
    graph: DenominatorGraph,
    likelihood: Callable[[int], Array],
    leaky: float,
    kept: list[Array],
    scales: Array,
    total: Array,
    posterior: Array,
) -> Array:
    """Fills `posterior` (T, N, D), last frame first; returns beta (S, N) of the first, before leaking."""
    xp = array_module(posterior)
    initial = xp.asarray(graph.initial, posterior.dtype)
    state = xp.asarray(graph.group_state)
    before = xp.repeat(1 / total[None], graph.num_states, axis=0)
    for t in range(len(posterior) - 1, -1, -1):
        beta = before + leaky * (initial @ before)
        leaving = likelihood(t)
        leaving *= gather(beta, state)
        entering = kept.pop()
        entering *= leaving
        xp.divide(graph.into_pdfs(entering).T, scales[t][:, None], out=posterior[t])
        before = graph.out_of_groups(leaving)
        before /= scales[t]
    return before

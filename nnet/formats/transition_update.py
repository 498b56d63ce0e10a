"""Estimating transition probabilities and pdf priors from alignments (Kaldi's nnet3-am-train-transitions)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from nnet.formats.transitions import TransitionModel, log_float32

FLOORING_ROUNDS = 3  # floor and renormalise this often


@dataclass(frozen=True)
class UpdateReport:
    """What an update did: log-likelihood gained in all, frames, probabilities floored, states left alone."""

    improvement: float
    count: float
    num_floored: int
    num_skipped: int


def count_ids(model: TransitionModel, alignments: Iterable[np.ndarray]) -> tuple[np.ndarray, int]:
    """(how often each transition-id occurs, float64 (num_ids + 1,); the number of alignments)."""
    counts, done = np.zeros(model.num_ids + 1), 0
    for alignment in alignments:
        model.is_final(alignment)  # raises on ids that the model does not have
        counts += np.bincount(alignment, minlength=model.num_ids + 1)
        done += 1
    return counts, done


def update(
    model: TransitionModel,
    counts: np.ndarray,
    floor: float = 0.01,
    min_count: float = 5.0,
    share_for_pdfs: bool = False,
) -> tuple[TransitionModel, UpdateReport]:
    """The maximum-likelihood probabilities for `counts` (TransitionModel::MleUpdate).

    Probabilities are floored at `floor`; states seen less than `min_count` times keep theirs. With
    `share_for_pdfs` all states with the same pdf get the same probabilities; raises ValueError if they
    differ in the number of transitions.
    """
    log_probs = model.log_probs.copy()
    improvement = total = 0.0
    num_floored = num_skipped = 0
    for states in _groups(model, share_for_pdfs):
        ids = np.array([list(model.ids_of_state(s)) for s in states])  # (states, transitions)
        if ids.shape[1] < 2:
            continue
        group_counts = counts[ids].sum(axis=0)
        total += group_counts.sum()
        if group_counts.sum() < min_count:
            num_skipped += 1
            continue
        probs = _floored(group_counts, floor)
        old, new = model.log_probs[ids[0]], log_float32(probs)
        num_floored += int((probs == np.float32(floor)).sum())
        improvement += float((group_counts * (new.astype(np.float64) - old)).sum())
        log_probs[ids] = new
    return model.with_log_probs(log_probs), UpdateReport(improvement, total, num_floored, num_skipped)


def _groups(model: TransitionModel, share_for_pdfs: bool) -> list[list[int]]:
    if not share_for_pdfs:
        return [[s] for s in range(model.num_states)]
    if not model.topology.is_hmm:
        raise ValueError("transitions can be shared by pdf only where staying and leaving have the same pdf")
    by_pdf: dict[int, list[int]] = {}
    for s, pdf in enumerate(model.tuples[:, 2].tolist()):
        by_pdf.setdefault(pdf, []).append(s)
    for pdf, states in by_pdf.items():
        if len({len(model.ids_of_state(s)) for s in states}) > 1:
            raise ValueError(
                f"the states with pdf {pdf} differ in the number of their transitions; they cannot share"
            )
    return [by_pdf[pdf] for pdf in sorted(by_pdf)]


def _floored(counts: np.ndarray, floor: float) -> np.ndarray:
    """Relative frequencies, float32, floored as Kaldi does it: three times, renormalising before."""
    probs = (counts / counts.sum()).astype(np.float32)
    for _ in range(FLOORING_ROUNDS):
        probs = probs * np.float32(1.0 / probs.sum())
        probs = np.maximum(probs, np.float32(floor))
    return probs


def priors(model: TransitionModel, counts: np.ndarray, floor: float = 5.0e-6) -> np.ndarray:
    """(num_pdfs,) float32: relative frequencies of pdfs, floored, with sum 1 (SetPriors).

    Raises ValueError if nothing was counted or `floor` is not between 0 and 1.
    """
    if not 0.0 < floor < 1.0:
        raise ValueError(f"the floor of priors must lie between 0 and 1, not {floor}")
    pdf_counts = np.bincount(model.pdf_of(np.arange(1, model.num_ids + 1)), counts[1:], model.num_pdfs)
    if pdf_counts.sum() == 0:
        raise ValueError("no frame was counted, so pdfs have no priors")
    p = pdf_counts.astype(np.float32)
    p = np.maximum(p * np.float32(1.0 / p.sum()), np.float32(floor))
    return p * np.float32(1.0 / p.sum())


def kl_divergence(p: np.ndarray, q: np.ndarray) -> float:
    """sum_i p_i log(p_i / q_i), both scaled to sum 1 first; terms with p_i = 0 are 0."""
    p, q = p.astype(np.float64) / p.sum(), q.astype(np.float64) / q.sum()
    used = p > 0
    with np.errstate(divide="ignore"):
        return float((p[used] * np.log(p[used] / q[used])).sum())

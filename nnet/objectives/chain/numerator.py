"""Numerator of LF-MMI: forward-backward over what the supervision allows, in the log domain, on the host."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnet.backend import Array, array_module, to_host
from nnet.objectives.chain.trellis import Step, Trellis, make_trellis
from nnet.supervision import Supervision

TOLERANCE = 0.05  # by how much the posteriors of a frame may miss the number of sequences, relative


@dataclass(frozen=True)
class Numerator:
    """Log probability summed over sequences; pdf posteriors (T, N, D) if asked for; whether to trust them."""

    log_prob: float
    posterior: Array | None
    good: bool


def numerator(supervision: Supervision, output: Array, with_posterior: bool = True) -> Numerator:
    """Forward-backward of outputs (T, N, D) over a supervision of T frames, N sequences, D labels.

    chain-numerator.cc and, end to end, chain-generic-numerator.cc; in float64 whatever the type of `output`.
    Only the outputs that some arc uses come from the device. Raises ValueError if shapes differ.
    """
    s = supervision
    wanted = (s.frames_per_sequence, s.num_sequences, s.label_dim)
    if output.shape != wanted:
        raise ValueError(f"the network's output is {output.shape} (T, N, D), its supervision is for {wanted}")
    paths = make_trellis(s)
    frame = output.shape[1] * output.shape[2]
    used, number = _cells(paths, frame)
    xp = array_module(output)
    values = to_host(output.reshape(-1)[xp.asarray(used)]).astype(np.float64)
    with np.errstate(all="ignore"):  # what is not finite is found by the caller
        alphas, log_prob = _forward(paths, values, number)
        total = float(log_prob.sum())
        if not with_posterior:
            return Numerator(total, None, np.isfinite(total))
        gamma = _backward(paths, values, number, alphas, log_prob)
    posterior = xp.zeros(output.size, output.dtype)
    posterior[xp.asarray(used)] = xp.asarray(gamma.astype(output.dtype))
    missed = abs(float(gamma.sum()) - s.num_frames)
    good = np.isfinite(total) and missed <= TOLERANCE * s.num_frames
    return Numerator(total, posterior.reshape(output.shape), bool(good))


def _cells(paths: Trellis, frame: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """The places in the output that arcs use, and for each step's arcs the numbers of these places."""
    every = [int(t) * frame + step.cell for t, step in zip(paths.frames, paths.steps)]
    used, number = np.unique(np.concatenate(every), return_inverse=True)
    return used, np.split(number, np.cumsum([len(c) for c in every])[:-1])


def _forward(
    paths: Trellis, values: np.ndarray, number: list[np.ndarray]
) -> tuple[list[np.ndarray], np.ndarray]:
    """Log alphas before every step and after the last; log probability of each sequence."""
    alphas = [paths.initial]
    for step, cells in zip(paths.steps, number):
        arrived = alphas[-1][step.source] + step.weight + values[cells]
        alphas.append(log_sum(arrived, step.target, step.size))
    ends = alphas[-1] + paths.final
    order = np.argsort(paths.owner, kind="stable")
    return alphas, log_sum(ends[order], paths.owner[order], int(paths.owner.max()) + 1)


def _backward(
    paths: Trellis,
    values: np.ndarray,
    number: list[np.ndarray],
    alphas: list[np.ndarray],
    log_prob: np.ndarray,
) -> np.ndarray:
    """Posteriors of the used places; the beta of an end is its final probability over its sequence's."""
    gamma = np.zeros(len(values))
    beta = paths.final - log_prob[paths.owner]
    orders: dict[int, np.ndarray] = {}
    for k in range(len(paths.steps) - 1, -1, -1):
        step, cells, alpha = paths.steps[k], number[k], alphas[k]
        ahead = beta[step.target] + step.weight + values[cells]
        occupied = np.exp(alpha[step.source] + ahead)
        low = int(cells.min())
        sums = np.bincount(cells - low, occupied)
        gamma[low : low + len(sums)] += sums
        order = _order_by_source(step, orders)
        beta = log_sum(ahead[order], step.source[order], len(alpha))
    return gamma


def _order_by_source(step: Step, known: dict[int, np.ndarray]) -> np.ndarray:
    if id(step) not in known:
        known[id(step)] = np.argsort(step.source, kind="stable")
    return known[id(step)]


def log_sum(values: np.ndarray, group: np.ndarray, size: int) -> np.ndarray:
    """(size,) log of the sum of exp(values) by group, which must be sorted; -inf where there is none."""
    out = np.full(size, -np.inf)
    if not len(values):
        return out
    starts = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]]))
    largest = np.maximum.reduceat(values, starts)
    shift = np.where(np.isfinite(largest), largest, 0.0)
    lengths = np.diff(np.append(starts, len(values)))
    sums = np.add.reduceat(np.exp(values - np.repeat(shift, lengths)), starts)
    with np.errstate(divide="ignore"):  # the log of 0 is -inf
        out[group[starts]] = shift + np.log(sums)
    return out

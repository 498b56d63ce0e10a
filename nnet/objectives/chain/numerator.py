"""Numerator of LF-MMI: forward-backward over what the supervision allows, in the log domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nnet.backend import Array, array_module
from nnet.kernels.launch import on_device
from nnet.kernels.numerator import NO_CELL, Layers, forward_backward
from nnet.objectives.chain.trellis import Step, Trellis, make_trellis
from nnet.supervision import Supervision

TOLERANCE = 0.05  # by how much the posteriors of a frame may miss the number of sequences, relative


@dataclass(frozen=True)
class Numerator:
    """Log probability summed over sequences; pdf posteriors (T, N, D) if asked for; whether to trust them.
    All lie where the outputs do.
    """

    log_prob: Any
    posterior: Array | None
    good: Any


def numerator(supervision: Supervision, output: Array, with_posterior: bool = True) -> Numerator:
    """Forward-backward of outputs (T, N, D) over a supervision of T frames, N sequences, D labels.

    chain-numerator.cc and, end to end, chain-generic-numerator.cc; in float64 whatever the type of `output`.
    Raises ValueError if shapes differ.
    """
    s = supervision
    wanted = (s.frames_per_sequence, s.num_sequences, s.label_dim)
    if output.shape != wanted:
        raise ValueError(f"the network's output is {output.shape} (T, N, D), its supervision is for {wanted}")
    paths = make_trellis(s)
    if on_device(output):
        return _on_device(paths, s, output, with_posterior)
    used, number = _cells(paths, output.shape[1] * output.shape[2])
    values = output.reshape(-1)[used].astype(np.float64)
    with np.errstate(all="ignore"):  # what is not finite is found by the caller
        alphas, log_prob = _forward(paths, values, number)
        total = float(log_prob.sum())
        if not with_posterior:
            return Numerator(total, None, np.isfinite(total))
        gamma = _backward(paths, values, number, alphas, log_prob)
    posterior = np.zeros(output.size, output.dtype)
    posterior[used] = gamma
    good = np.isfinite(total) and _complete(gamma.sum(), s)
    return Numerator(total, posterior.reshape(output.shape), bool(good))


def _complete(occupied: Any, s: Supervision) -> Any:
    """Whether posteriors sum to about the number of frames."""
    return abs(occupied - s.num_frames) <= TOLERANCE * s.num_frames


def _on_device(paths: Trellis, s: Supervision, output: Array, with_posterior: bool) -> Numerator:
    """The same by kernels."""
    layers = layered(paths, output.shape[1] * output.shape[2])
    log_prob, posterior = forward_backward(layers, output, with_posterior)
    total = log_prob.sum()
    good = array_module(output).isfinite(total)
    if posterior is not None:
        good = good & _complete(posterior.sum(dtype=np.float64), s)
    return Numerator(total, posterior, good)


def layered(paths: Trellis, frame: int) -> Layers:
    """The trellis as columns of arcs; arcs from its ends to one place for each sequence come last."""
    steps, ends = paths.steps, len(paths.final)
    sizes = [len(paths.initial), *(step.size for step in steps), int(paths.owner.max()) + 1]
    first = np.cumsum([0, *sizes])
    cells = [int(t) * frame + step.cell for t, step in zip(paths.frames, steps)]
    return Layers(
        first,
        np.cumsum([0, *(len(step.cell) for step in steps), ends]),
        np.concatenate([*(s.source + at for s, at in zip(steps, first)), np.arange(ends) + first[-3]]),
        np.concatenate([*(s.target + at for s, at in zip(steps, first[1:])), paths.owner + first[-2]]),
        np.concatenate([*cells, np.full(ends, NO_CELL)]),
        np.concatenate([*(step.weight for step in steps), paths.final]),
        paths.initial,
    )


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

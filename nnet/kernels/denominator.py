"""Forward-backward over the graph of LF-MMI's denominator: by sums of gathered rows, or a kernel a frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from nnet.backend import Array, array_module
from nnet.kernels.gather_sum import GatherSum, gather
from nnet.kernels.launch import kernel, on_device

LIMIT = 30.0  # outputs are clipped to +-LIMIT before exp, as in Kaldi
TOLERANCE = 2.0  # by how much sums over all sequences may miss their number
BLOCK = (
    32  # sequences that numpy computes together: what belongs to a frame then fits into a processor's cache
)
WIDE, HIGH, CHUNK = 32, 8, 16  # of a block of threads, as in denominator.cu

Result = tuple[
    Array, Array | None, Any
]  # log probabilities (N,), posteriors (T, N, D), whether to trust them


@dataclass(frozen=True)
class Transitions:
    """Arcs of a denominator graph, prepared for sums over whole minibatches.

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
    arcs: Arcs = field(repr=False)

    @classmethod
    def of(cls, arcs: Arcs) -> Self:
        """From the arcs of a graph."""
        targets = arcs.target.astype(np.int64)
        pairs, group = np.unique(targets * arcs.num_pdfs + arcs.pdf, return_inverse=True)
        state, group_pdf = np.divmod(pairs, arcs.num_pdfs)
        groups, states = np.arange(len(pairs)), len(arcs.initial)
        return cls(
            arcs.num_pdfs,
            arcs.initial,
            group_pdf,
            state,
            GatherSum(group, arcs.source, arcs.probability, len(pairs)),
            GatherSum(arcs.source, group, arcs.probability, states),
            GatherSum(state, groups, None, states),
            GatherSum(group_pdf, groups, None, arcs.num_pdfs),
            arcs,
        )

    @property
    def num_states(self) -> int:
        """S."""
        return len(self.initial)


@dataclass(frozen=True)
class Arcs:
    """Columns of arcs, each (A,), and `initial` (S,); for kernels sorted, where a network's arrays lie."""

    source: np.ndarray
    target: np.ndarray
    pdf: np.ndarray
    probability: np.ndarray
    initial: np.ndarray
    num_pdfs: int
    _there: dict[Any, tuple[list[Array], ...]] = field(default_factory=dict, repr=False)

    def __call__(self, like: Array) -> tuple[list[Array], ...]:
        """`initial` and its sums by CHUNK; then, for each sorting, where the arcs of a state or pdf start,
        and the other columns.
        """
        key = (array_module(like).__name__, like.dtype)
        if key not in self._there:
            put = _Uploader(array_module(like), like.dtype)
            parts = np.add.reduceat(self.initial, range(0, len(self.initial), CHUNK))
            self._there[key] = (
                [put(self.initial), array_module(like).asarray(parts)],
                [put(c) for c in self._sorted("target", "source", "pdf", "probability")],
                [put(c) for c in self._sorted("source", "target", "pdf", "probability")],
                [put(c) for c in self._sorted("pdf", "source", "target", "probability")],
            )
        return self._there[key]

    def _sorted(self, key: str, *names: str) -> list[np.ndarray]:
        column, size = getattr(self, key), self.num_pdfs if key == "pdf" else len(self.initial)
        order = np.argsort(column, kind="stable")
        first = np.searchsorted(column[order], np.arange(size + 1))
        return [first, *(getattr(self, name)[order] for name in names)]


class _Uploader:
    """Numbers to a device in the types that kernels take: int32, or that of the network."""

    def __init__(self, cupy: Any, dtype: Any):
        self.cupy, self.dtype = cupy, dtype

    def __call__(self, x: np.ndarray) -> Array:
        return self.cupy.asarray(x.astype(self.dtype if x.dtype.kind == "f" else np.int32))


def forward_backward(graph: Transitions, output: Array, leaky: float, with_posterior: bool = True) -> Result:
    """Log probability of each sequence of outputs (T, N, D), float64 (N,); pdf posteriors (T, N, D) if asked
    for; whether sums are what they must be. Nothing leaves a device.

    Probabilities, not logarithms, scaled by the sum over states of the frame before (chain-denominator.cc).
    """
    if on_device(output):
        return _by_kernels(graph, output, leaky, with_posterior)
    posterior = np.empty_like(output) if with_posterior else None
    parts, good = [], True
    for first in range(0, output.shape[1], BLOCK):
        block = slice(first, first + BLOCK)
        part = None if posterior is None else posterior[:, block]
        with np.errstate(all="ignore"):  # what is not finite is found by the caller
            log_prob, fine = _block(graph, output[:, block], leaky, part)
        parts.append(log_prob)
        good = good and fine
    return np.concatenate(parts), posterior, good


def _balanced(total: Any, wanted: int) -> Any:
    """Whether a sum that should be `wanted` is near it; not so if it is NaN."""
    return abs(total - wanted) <= TOLERANCE


def _block(
    graph: Transitions, output: np.ndarray, leaky: float, posterior: np.ndarray | None
) -> tuple[np.ndarray, bool]:
    """Log probabilities of sequences (N,); fills `posterior` (T, N, D) if given."""
    initial = graph.initial.astype(output.dtype)[:, None]
    T, N, _ = output.shape

    def likelihood(t: int) -> np.ndarray:
        """exp(y_t) of every group (G, N)."""
        y = output[t].T.copy()
        return gather(np.exp(np.clip(y, -LIMIT, LIMIT, out=y), out=y), graph.group_pdf)

    kept: list[np.ndarray] = []  # of every frame, what enters the groups
    alpha = np.repeat(initial, N, axis=1)
    scales = np.empty((T, N), output.dtype)
    for t in range(T):
        scales[t] = alpha.sum(axis=0)
        alpha += leaky * initial * scales[t]
        entering = graph.into_groups(alpha)
        if posterior is not None:
            kept.append(entering)
            entering = entering * likelihood(t)
        else:
            entering *= likelihood(t)
        alpha = graph.into_states(entering)
        alpha /= scales[t]
    total = alpha.sum(axis=0)
    total = total + leaky * initial.sum() * total
    log_prob = np.log(total).astype(np.float64) + np.log(scales.astype(np.float64)).sum(axis=0)
    if posterior is None:
        return log_prob, True
    start = _backward(graph, likelihood, leaky, kept, scales, total, posterior)
    first = initial * (1 + leaky * scales[0])  # alpha at the first frame, (S, N)
    return log_prob, _balanced(float((start * first).sum()), N) and _balanced(float(posterior[0].sum()), N)


def _backward(
    graph: Transitions,
    likelihood: Callable[[int], np.ndarray],
    leaky: float,
    kept: list[np.ndarray],
    scales: np.ndarray,
    total: np.ndarray,
    posterior: np.ndarray,
) -> np.ndarray:
    """Fills `posterior` (T, N, D), last frame first; returns beta (S, N) of the first, before leaking."""
    initial = graph.initial.astype(posterior.dtype)
    before = np.repeat(1 / total[None], graph.num_states, axis=0)
    for t in range(len(posterior) - 1, -1, -1):
        beta = before + leaky * (initial @ before)
        leaving = likelihood(t)
        leaving *= gather(beta, graph.group_state)
        entering = kept.pop()
        entering *= leaving
        np.divide(graph.into_pdfs(entering).T, scales[t][:, None], out=posterior[t])
        before = graph.out_of_groups(leaving)
        before /= scales[t]
    return before


def _by_kernels(graph: Transitions, output: Array, leaky: float, with_posterior: bool) -> Result:
    """The same, one launch a frame in either direction."""
    xp, (T, N, D), S = array_module(output), output.shape, graph.num_states
    (initial, parts), by_target, by_source, by_pdf = graph.arcs(output)
    chunks, columns, block = len(parts), -(-N // WIDE), (WIDE, HIGH)
    likelihood = xp.ascontiguousarray(xp.exp(xp.clip(output, -LIMIT, LIMIT)).transpose(0, 2, 1))
    alpha, scales = xp.empty((T + 1, S, N), output.dtype), xp.empty((T, N), output.dtype)
    part = xp.empty((T + 1, chunks, N), np.float64)
    alpha[0], part[0] = initial[:, None], parts[:, None]
    run = kernel(output, "denominator", "forward")
    for t in range(T):
        made, read = (alpha[t + 1], part[t + 1], scales[t]), (alpha[t], part[t], likelihood[t], initial)
        sizes = output.dtype.type(leaky), np.int32(S), np.int32(N)
        run((columns, chunks), block, (*made, *read, *by_target, *sizes))
    total = part[T].sum(axis=0) * (1 + leaky * parts.sum())
    log_prob = xp.log(total) + xp.log(scales.astype(np.float64)).sum(axis=0)
    if not with_posterior:
        return log_prob, None, xp.isfinite(log_prob).all()
    posterior = xp.empty((T, N, D), output.dtype)
    beta, part = xp.empty((2, S, N), output.dtype), xp.empty((2, chunks, N), np.float64)
    beta[T % 2], part[T % 2] = (1 / total).astype(output.dtype), parts[:, None] / total
    run, grid = kernel(output, "denominator", "backward"), (columns, chunks + -(-D // CHUNK))
    sizes = output.dtype.type(leaky), *(np.int32(n) for n in (chunks, S, D, N))
    for t in range(T - 1, -1, -1):
        now, ahead = t % 2, (t + 1) % 2
        made, read = (beta[now], part[now], posterior[t]), (beta[ahead], part[ahead], alpha[t], scales[t])
        run(grid, block, (*made, *read, likelihood[t], initial, *by_source, *by_pdf, *sizes))
    first = initial[:, None] * (1 + leaky * scales[0])
    started = (beta[0] * first).sum(dtype=np.float64)
    return log_prob, posterior, _balanced(started, N) & _balanced(posterior[0].sum(dtype=np.float64), N)

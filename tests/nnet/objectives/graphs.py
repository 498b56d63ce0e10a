"""Random graphs and supervisions, and the sums over their paths, written out."""

from __future__ import annotations

import numpy as np

from nnet.fst.arrays import Fst
from nnet.supervision import Supervision

INF = float("inf")


def random_graph(rng: np.random.Generator, states: int, pdfs: int, arcs: int) -> Fst:
    """A strongly connected acceptor of pdf + 1 in which every pdf occurs."""
    count = max(arcs, states, pdfs)
    source = np.concatenate([np.arange(states), rng.integers(states, size=count - states)])
    target = np.concatenate([np.roll(np.arange(states), -1), rng.integers(states, size=count - states)])
    pdf = np.concatenate([np.arange(pdfs), rng.integers(pdfs, size=count - pdfs)])
    cost = rng.uniform(0.5, 2.5, count)
    finals = np.where(rng.random(states) < 0.5, rng.uniform(1, 2, states), INF)
    return Fst.from_columns(source, pdf + 1, pdf + 1, cost, target, finals)


def random_supervision(
    rng: np.random.Generator, sequences: int, frames: int, pdfs: int, end_to_end: bool, weight: float = 1.0
) -> Supervision:
    """Some paths for each sequence; of one FST after the other, or with loops."""
    if end_to_end:
        fsts = tuple(with_loops(rng, pdfs) for _ in range(sequences))
        return Supervision(weight, sequences, frames, pdfs, True, fsts)
    return Supervision(weight, sequences, frames, pdfs, False, (joined(rng, sequences, frames, pdfs),))


def with_loops(rng: np.random.Generator, pdfs: int) -> Fst:
    arcs = []
    for s in range(3):
        a, b = (int(i) for i in rng.integers(1, pdfs + 1, 2))
        arcs += [(s, a, a, float(rng.uniform(0, 1)), s), (s, b, b, float(rng.uniform(0, 1)), min(s + 1, 2))]
    return Fst.from_arcs(arcs, [INF, 0.75, float(rng.uniform(0, 1))])


def joined(rng: np.random.Generator, sequences: int, frames: int, pdfs: int) -> Fst:
    """Two states at every time; ends of a sequence have the arcs of the next one's start, times a factor."""
    width = 2
    times = sequences * frames
    states = [[0], *([1 + width * (t - 1) + i for i in range(width)] for t in range(1, times + 1))]
    arcs: list[tuple[int, int, int, float, int]] = []
    for t in range(times):
        first = []
        for target in states[t + 1]:
            label = int(rng.integers(1, pdfs + 1))
            first.append((label, float(rng.uniform(0, 2)), target))
        for number, source in enumerate(states[t]):
            at_start = t % frames == 0
            extra = float(rng.uniform(0, 1)) if at_start and number else 0.0
            for label, cost, target in first:
                other = label if at_start else int(rng.integers(1, pdfs + 1))
                arcs.append((source, other, other, cost + extra, target))
    finals = [INF] * (1 + width * (times - 1)) + rng.uniform(0, 1, width).tolist()
    return Fst.from_arcs(arcs, finals)


def paths(fst: Fst, start: int, length: int) -> list[tuple[list[int], float, int]]:
    """All paths of `length` arcs from `start`: pdfs, log probability without ends, last state."""
    lists = fst.lists()
    found: list[tuple[list[int], float, int]] = [([], 0.0, start)]
    for _ in range(length):
        found = [
            ([*pdfs, label - 1], p - cost, target)
            for pdfs, p, s in found
            for label, _, cost, target in lists[s]
        ]
    return found


def log_sum(values: list[float]) -> float:
    return float(np.logaddexp.reduce(values))


def score(pdfs: list[int], y: np.ndarray) -> float:
    """The sum of the outputs y (T, D) along a path."""
    return float(sum(y[t, pdf] for t, pdf in enumerate(pdfs)))


def denominator_by_enumeration(fst: Fst, initial: np.ndarray, y: np.ndarray) -> float:
    """log of the sum over all paths of T arcs from any state, y (T, D)."""
    return log_sum(
        [
            np.log(initial[s]) + p + score(pdfs, y)
            for s in range(fst.num_states)
            if initial[s] > 0
            for pdfs, p, _ in paths(fst, s, len(y))
        ]
    )


def numerator_by_enumeration(s: Supervision, y: np.ndarray) -> float:
    """Sum over sequences of the log of the sum over right paths, y (T, N, D)."""
    if s.end_to_end:
        return sum(
            log_sum([p + score(q, y[:, n]) - f.finals[e] for q, p, e in paths(f, f.start, len(y))])
            for n, f in enumerate(s.fsts)
        )
    rows = np.concatenate([y[:, n] for n in range(s.num_sequences)])
    fst = s.fsts[0]
    return log_sum([p + score(q, rows) - fst.finals[e] for q, p, e in paths(fst, fst.start, len(rows))])


def agrees_with_differences(f, y, derivative, rng, tolerance=1e-6, step=1e-4) -> None:
    """Assert that the derivative of f along a random direction is what central differences of order 4 say."""
    d = rng.standard_normal(y.shape)
    d /= np.linalg.norm(d)
    near, far = (f(y + h * d) - f(y - h * d) for h in (step, 2 * step))
    numeric, analytic = (8 * near - far) / (12 * step), float((derivative * d).sum())
    assert abs(numeric - analytic) <= tolerance * max(1.0, abs(numeric)), f"{analytic} against {numeric}"

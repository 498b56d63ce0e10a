"""Moving costs along paths: so that all states sum to the same, or towards the start."""

from __future__ import annotations

import math

import numpy as np

from nnet.fst.arrays import Fst, Lists, plus_cost
from nnet.fst.order import connect, with_costs

INF = float("inf")
MAX_STEPS = 200  # of the power method
CHECKED_EVERY = 5  # steps
UNDERFLOW = 100.0  # exp(-cost) of larger costs is nothing
STEPS = 32  # of one octave in a table
ROOTS = np.array([2.0 ** (i / STEPS) for i in range(STEPS)])
CUBIC, SQUARE, LINEAR = (
    float.fromhex(c) / STEPS**n
    for c, n in (("0x1.c6af84b912394p-5", 3), ("0x1.ebfce50fac4f3p-3", 2), ("0x1.62e42ff0c52d6p-1", 1))
)
OWN_SHARE = 0.1  # of its old value that a state keeps, so that linear FSTs converge


def exp32(costs: np.ndarray) -> np.ndarray:
    """exp(-cost) in single precision with the rounding of the C library's expf, which is a polynomial.

    exp(x) = 2^(k/32) 2^(r/32), k an integer and |r| at most 1/2 (Arm's optimized routines, in glibc).
    """
    x = np.where(costs < UNDERFLOW, -costs.astype(np.float64), -UNDERFLOW)
    z = x * (float.fromhex("0x1.71547652b82fep+0") * STEPS)
    k = np.rint(z)
    r = z - k
    power = np.ldexp(ROOTS[k.astype(np.int64) % STEPS], np.floor_divide(k, STEPS).astype(np.int64))
    y = ((CUBIC * r + SQUARE) * (r * r) + (LINEAR * r + 1.0)) * power
    return np.where(costs < UNDERFLOW, y.astype(np.float32).astype(np.float64), 0.0)


def push_special(fst: Fst, delta: float) -> Fst:
    """Costs moved so that the probabilities of every state's arcs and end have one and the same sum.

    The states' potentials are the first eigenvector of the matrix of arcs, an end leading to the start, by
    the power method until sums agree to `delta` (PushSpecial; Hannemann and Povey, ICASSP 2013). States on
    no path are dropped.
    """
    fst = connect(fst)
    if fst.num_states == 0:
        return fst
    potential = np.array([-math.log(v) for v in _eigenvector(fst, delta).tolist()])  # as C rounds it
    weights = fst.weights + potential[fst.targets] - potential[fst.sources]
    finals = fst.finals + (potential[fst.start] - potential).astype(np.float32)
    return with_costs(fst, weights, finals)


def _eigenvector(fst: Fst, delta: float) -> np.ndarray:
    """(S,) positive: the potential of each state as a probability."""
    size = fst.num_states
    source, target, p = _links(fst)
    value = np.full(size, 1.0 / np.sqrt(size))
    index = np.concatenate([np.arange(size), source])
    for step in range(MAX_STEPS):
        parts = np.concatenate([OWN_SHARE * value, value[target] * p])
        value = np.bincount(index, parts, minlength=size)
        value = value * (1.0 / np.sqrt(np.cumsum(value * value)[-1]))
        if step % CHECKED_EVERY == 0 and step > 0:
            sums = np.bincount(source, p * value[target] / value[source], minlength=size)
            if np.log(sums.max() / sums.min()) <= np.float32(delta):
                break
    return value


def _links(fst: Fst) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Source, target and probability of arcs and of ends, as ways to the start; sorted by target."""
    ends = np.flatnonzero(exp32(fst.finals) != 0)
    source = np.concatenate([fst.sources, ends])
    target = np.concatenate([fst.targets, np.full(len(ends), fst.start)])
    p = np.concatenate([exp32(fst.weights), exp32(fst.finals[ends])])
    by_source = np.argsort(source, kind="stable")  # a state's end comes after its arcs
    order = by_source[np.argsort(target[by_source], kind="stable")]
    return source[order], target[order], p[order]


def distances_to_end(fst: Lists, delta: float = 1e-6) -> list[float]:
    """(S,) the lowest cost from each state of an FST without cycles to an end, infinity if there is no way.

    A way that is better by no more than `delta` than those found before is passed over; states are searched
    in OpenFst's order (ShortestDistance of the reversed FST). Raises ValueError if there is a cycle.
    """
    arcs, finals, _ = fst
    before: list[list[tuple[float, int]]] = [[] for _ in arcs]
    for s, row in enumerate(arcs):
        for _, _, w, t in row:
            before[t].append((w, s))
    order = _ends_first(before, finals)
    distance = list(finals)
    for t in order:
        if (d := distance[t]) == INF:
            continue
        for w, s in before[t]:
            way = plus_cost(d, w) if w else d
            old = distance[s]
            if way < old and (old == INF or not old <= plus_cost(way, delta)):
                distance[s] = way
    return distance


def _ends_first(before: list[list[tuple[float, int]]], finals: list[float]) -> list[int]:
    """States such that arcs lead to earlier ones: the topological order of the reversed FST, whose start
    leads to the ends. Raises ValueError if there is a cycle.
    """
    left: list[int] = []
    state = [0] * len(before)  # 1: on the path, 2: left
    ends = [s for s, cost in enumerate(finals) if cost != INF]
    for root in (*ends, *range(len(before))):
        path = [] if state[root] else [(root, iter(before[root]))]
        state[root] = state[root] or 1
        while path:
            s, rest = path[-1]
            for _, t in rest:
                if state[t] == 0:
                    state[t] = 1
                    path.append((t, iter(before[t])))
                    break
                if state[t] == 1:
                    raise ValueError("an FST has a cycle where only those without can be used")
            else:
                path.pop()
                state[s] = 2
                left.append(s)
    return left[::-1]


def push_to_start(fst: Fst, keep_total: bool = True, delta: float = 1e-6) -> Fst:
    """Costs of an FST without cycles moved towards the start: from every state the best way costs nothing.

    The cost of the best path stays at the arcs of the start if `keep_total` (Push, REWEIGHT_TO_INITIAL).
    """
    if fst.start < 0:
        return fst
    costs = pushed_costs(fst.as_lists(), keep_total, delta)
    return with_costs(fst, costs[: fst.num_arcs], costs[fst.num_arcs :])


def pushed_costs(fst: Lists, keep_total: bool = True, delta: float = 1e-6) -> np.ndarray:
    """The same for lists: the costs (A + S,) of arcs and of ends after it."""
    arcs, finals, start = fst
    after = np.array([0.0 if d == INF else d for d in distances_to_end(fst, delta)], np.float32)
    costs = np.array([*(arc[2] for row in arcs for arc in row), *finals], np.float32)
    of_arcs, of_ends = costs[: -len(finals)], costs[-len(finals) :]
    of_arcs += after[[arc[3] for row in arcs for arc in row]]
    of_arcs -= after.repeat([len(row) for row in arcs])
    of_ends -= after
    if keep_total:
        first = sum(map(len, arcs[:start]))
        of_arcs[first : first + len(arcs[start])] += after[start]
        of_ends[start] += after[start]
    return costs

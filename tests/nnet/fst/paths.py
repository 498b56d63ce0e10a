"""Costs of paths by brute force, and random FSTs, for tests of what keeps them."""

import numpy as np

from nnet.fst.arrays import Fst

INF = float("inf")


def best(fst: Fst, words: list[int]) -> float:
    """The lowest cost of a path that reads `words`, epsilons for free on the way (Bellman)."""
    costs = np.full((len(words) + 1, fst.num_states), INF)
    costs[0, fst.start] = 0.0
    arcs = list(zip(fst.sources, fst.ilabels, fst.weights, fst.targets))
    for i in range(len(words) + 1):
        for _ in range(fst.num_states):
            for s, label, w, t in arcs:
                if label == 0:
                    costs[i, t] = min(costs[i, t], costs[i, s] + w)
        if i < len(words):
            for s, label, w, t in arcs:
                if label == words[i]:
                    costs[i + 1, t] = min(costs[i + 1, t], costs[i, s] + w)
    return float((costs[-1] + fst.finals).min())


def random_fst(rng, states: int, arcs: int) -> Fst:
    rows = [
        (int(s), int(label), int(label), float(w), int(t))
        for s, label, w, t in zip(
            rng.integers(states, size=arcs),
            rng.integers(3, size=arcs),
            rng.uniform(0, 1, arcs),
            rng.integers(states, size=arcs),
        )
    ]
    finals = np.where(rng.random(states) < 0.5, rng.uniform(0, 1, states), INF)
    finals[-1] = 0.5
    return Fst.from_arcs([(0, 1, 1, 0.25, states - 1), *rows], finals)

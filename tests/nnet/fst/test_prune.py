"""Pruned lattices against all their paths, one by one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from nnet.fst.lattice import INF, ONE, ZERO, Lattice, LatticeArc, Weight
from nnet.fst.prune import best_path, prune

ACOUSTIC_SCALE = 0.1


def random_lattice(rng: np.random.Generator, states: int = 7) -> Lattice:
    """Arcs lead upwards, some states end, costs are such that sums in any order are exact."""

    def weight() -> Weight:
        return Weight(
            float(rng.integers(0, 64)) / 8, float(rng.integers(0, 400)) * 10, (int(rng.integers(9)),)
        )

    arcs = [
        [(n, n, weight(), t) for t in range(s + 1, states) for n in range(rng.integers(0, 3))]
        for s in range(states)
    ]
    return Lattice(0, arcs, [weight() if rng.random() < 0.4 else ZERO for _ in range(states)])


def cost(w: Weight) -> float:
    return INF if w == ZERO else w.graph + w.acoustic * ACOUSTIC_SCALE


def paths(lattice: Lattice) -> Iterator[tuple[list[LatticeArc], Weight, float]]:
    """Arcs, end and cost of each path."""
    waiting: list[tuple[int, list[LatticeArc]]] = [(lattice.start, [])] if lattice.start >= 0 else []
    while waiting:
        s, path = waiting.pop()
        end = lattice.finals[s]
        if end != ZERO:
            yield path, end, sum(cost(a[2]) for a in path) + cost(end)
        waiting += [(arc[3], [*path, arc]) for arc in lattice.arcs[s]]


def words(path: list[LatticeArc]) -> tuple[tuple[int, Weight], ...]:
    return tuple((label, w) for label, _, w, _ in path)


@pytest.mark.parametrize("beam", [0.5, 20.0, 60.0, 1e9])
def test_an_arc_stays_if_it_is_on_a_path_within_the_beam(beam):
    kept = 0
    for seed in range(40):
        lattice = random_lattice(np.random.default_rng(seed))
        every = list(paths(lattice))
        pruned = prune(lattice, beam, ACOUSTIC_SCALE)
        if not every:
            assert pruned.start < 0
            continue
        limit = min(c for _, _, c in every) + beam + 1e-9
        good = [(path, end) for path, end, c in every if c <= limit]
        found = list(paths(pruned))
        assert {(words(path), end) for path, end in good} <= {(words(p), e) for p, e, _ in found}
        arcs = {(s, arc) for path, _ in good for s, arc in zip(states_of(path), path)}
        assert sum(len(row) for row in pruned.arcs) == len(arcs)
        assert sum(w != ZERO for w in pruned.finals) == len(
            {(path[-1][3] if path else 0) for path, _ in good}
        )
        kept += len(found)
    assert kept


def states_of(path: list[LatticeArc]) -> list[int]:
    """The state that each arc leaves."""
    return [0, *(arc[3] for arc in path[:-1])] if path else []


def test_the_best_path_is_the_cheapest_one():
    found = 0
    for seed in range(40):
        lattice = random_lattice(np.random.default_rng(seed))
        every = list(paths(lattice))
        best = best_path(lattice, ACOUSTIC_SCALE)
        if not every:
            assert best.start < 0
            continue
        ((_, _, c),) = paths(best)
        assert c == pytest.approx(min(c for _, _, c in every), abs=1e-9)
        assert best.num_states == 1 + sum(len(row) for row in best.arcs)
        found += 1
    assert found > 20


def test_states_need_not_be_sorted():
    arcs = [[(1, 1, ONE, 2)], [], [(2, 2, Weight(1.0, 0.0), 1), (3, 3, Weight(5.0, 0.0), 1)]]
    lattice = Lattice(0, arcs, [ZERO, ONE, ZERO])
    for left in (prune(lattice, 2.0), best_path(lattice)):
        assert [[a[0] for a in row] for row in left.arcs] == [[1], [2], []]


@pytest.mark.parametrize("work", [lambda x: prune(x, 1.0), best_path])
def test_a_cycle_is_told(work):
    lattice = Lattice(0, [[(1, 1, ONE, 1)], [(1, 1, ONE, 0)]], [ZERO, ONE])
    with pytest.raises(ValueError, match="cycle"):
        work(lattice)


@pytest.mark.parametrize("finals", [[], [ZERO]])
def test_no_path_leaves_none(finals):
    lattice = Lattice(len(finals) - 1, [[] for _ in finals], finals)
    assert prune(lattice, 1.0).start == best_path(lattice).start == -1


@pytest.mark.parametrize("beam", [0.0, -1.0, float("nan")])
def test_a_beam_that_leaves_nothing_is_told(beam):
    with pytest.raises(ValueError, match="leaves no path; it must be above 0"):
        prune(Lattice(0, [[]], [ONE]), beam)

"""Determinised and minimised acceptors: every sequence costs what its best path did, on one path."""

import numpy as np
import pytest

from nnet.fst.arrays import Fst
from nnet.fst.determinize import BestFirst, determinize
from nnet.fst.minimize import minimize_pushed
from nnet.fst.push import distances_to_end, push_to_start
from tests.nnet.fst.paths import INF, best
from tests.nnet.fst.test_epsilons import sentences


def acyclic(rng, states: int = 7, arcs: int = 18) -> Fst:
    sources = rng.integers(states - 1, size=arcs)
    targets = [int(rng.integers(s + 1, states)) for s in sources]
    labels = rng.integers(1, 3, arcs)
    costs = rng.integers(0, 8, arcs) / 8
    finals = np.where(rng.random(states) < 0.5, rng.integers(0, 8, states) / 8, INF)
    finals[-1] = 0.5
    rows = zip(sources.tolist(), labels.tolist(), labels.tolist(), costs.tolist(), targets)
    return Fst.from_arcs([(0, 1, 1, 0.25, states - 1), *rows], finals)


@pytest.mark.parametrize("best_first", [False, True])
def test_one_path_for_a_sequence_at_its_lowest_cost(best_first, rng):
    for _ in range(30):
        fst = acyclic(rng)
        sure = determinize(fst, best_first)
        small = minimize_pushed(sure)
        assert all(len({a[0] for a in row}) == len(row) for row in sure.lists())
        assert small.num_states <= sure.num_states
        for words in sentences(rng):
            assert best(sure, words) == pytest.approx(best(fst, words), abs=1e-3)
            assert best(small, words) == pytest.approx(best(fst, words), abs=1e-3)


def test_costs_lie_at_the_start(rng):
    fst = acyclic(rng)
    pushed = push_to_start(fst)
    assert distances_to_end(pushed.as_lists())[1:] == pytest.approx([0.0] * (fst.num_states - 1), abs=1e-5)
    assert min(distances_to_end(push_to_start(fst, keep_total=False).as_lists())) == pytest.approx(
        0.0, abs=1e-5
    )


def test_too_many_states_and_cycles_are_refused(rng):
    for best_first in (False, True):
        with pytest.raises(ValueError, match="more than 2 states"):
            determinize(acyclic(rng), best_first, most=2)
    with pytest.raises(ValueError, match="cycle"):
        distances_to_end(Fst.from_arcs([(0, 1, 1, 0.0, 0)], [0.0]).as_lists())
    empty = Fst.from_arcs([], [], -1)
    assert determinize(empty) is empty
    assert push_to_start(empty) is empty


def test_the_queue_gives_the_cheapest_first_also_when_costs_fall(rng):
    costs = rng.random(60).tolist()
    queue = BestFirst(costs.__getitem__)
    for k in range(60):
        queue.put(k)
    costs[50] = -1.0
    queue.put(50)
    costs[queue.values[0]] = 2.0
    queue.put(queue.values[0])
    order = [queue.pop() for _ in range(60)]
    assert order == sorted(range(60), key=costs.__getitem__)

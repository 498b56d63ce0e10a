"""The smallest acceptor of sequences without costs: that of the general way, but for numbers of states."""

import numpy as np
import pytest

from nnet.fst.arrays import Fst, Lists, same
from nnet.fst.determinize import determinized
from nnet.fst.epsilons import without_epsilons
from nnet.fst.minimize import minimized_pushed
from nnet.fst.order import numbered_breadth_first
from nnet.fst.unweighted import is_unweighted_and_sorted, smallest

INF = float("inf")


def acceptor(rng, states: int = 9, arcs: int = 26) -> Lists:
    """Arcs lead upwards, some without label; no costs."""
    rows = []
    for s in rng.integers(states - 1, size=arcs).tolist():
        label = int(rng.integers(4))
        rows.append((s, label, label, 0.0, int(rng.integers(s + 1, states))))
    finals = np.where(rng.random(states) < 0.2, 0.0, INF)
    return Fst.from_arcs([*rows, (0, 1, 1, 0.0, states - 1)], [*finals[:-1], 0.0]).as_lists()


def test_it_is_what_epsilon_removal_determinisation_and_minimisation_leave(rng):
    for _ in range(60):
        fst = acceptor(rng)
        assert is_unweighted_and_sorted(fst)
        general = minimized_pushed(determinized(without_epsilons(fst), best_first=True))
        small, wanted = (numbered_breadth_first(f) for f in (smallest(fst, 1000), general))
        assert same(Fst.from_lists(*small), Fst.from_lists(*wanted))


def test_costs_and_arcs_that_lead_down_are_told():
    plain = Lists([[(1, 1, 0.0, 1)], []], [INF, 0.0])
    assert is_unweighted_and_sorted(plain)
    assert not is_unweighted_and_sorted(Lists([[(1, 1, 0.5, 1)], []], [INF, 0.0]))
    assert not is_unweighted_and_sorted(plain._replace(finals=[INF, 0.5]))
    assert not is_unweighted_and_sorted(Lists([[(1, 1, 0.0, 1)], [(1, 1, 0.0, 0)]], [INF, 0.0]))


def test_no_path_leaves_nothing_and_too_many_states_are_refused(rng):
    assert smallest(Lists([[(1, 1, 0.0, 1)], []], [INF, INF]), 9).start == -1
    with pytest.raises(ValueError, match="more than 2 states"):
        smallest(acceptor(rng), 2)

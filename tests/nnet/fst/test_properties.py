"""Properties of FSTs, against those that OpenFst stored and against fstinfo's definitions."""

import numpy as np
import pytest

from nnet.fst import properties as p
from nnet.fst.arrays import Fst, same
from nnet.fst.components import accessible, coaccessible, strong_components

INF = float("inf")
STRING = Fst.linear([1, 2, 3])
LOOP = Fst.from_arcs([(0, 1, 1, 0.5, 1), (1, 2, 2, 0.0, 1), (1, 1, 1, 0.25, 0)], [INF, 0.0])
MIXED = Fst.from_arcs([(0, 2, 0, 0.0, 1), (0, 2, 1, 0.0, 2), (0, 0, 0, 1.5, 0)], [INF, 0.0, INF])


@pytest.mark.parametrize(
    "fst, holds, fails",
    [
        (STRING, ["STRING", "ACCEPTOR", "TOP_SORTED", "COACCESSIBLE"], ["WEIGHTED", "CYCLIC", "EPSILONS"]),
        (LOOP, ["CYCLIC", "INITIAL_CYCLIC", "WEIGHTED_CYCLES", "I_DETERMINISTIC"], ["STRING", "I_SORTED"]),
        (
            MIXED,
            ["EPSILONS", "I_EPSILONS", "O_EPSILONS", "WEIGHTED"],
            ["ACCEPTOR", "I_DETERMINISTIC", "O_DETERMINISTIC", "COACCESSIBLE", "I_SORTED"],
        ),
    ],
    ids=["a string", "a loop", "a transducer"],
)
def test_properties_are_what_the_arcs_say(fst, holds, fails):
    found = p.compute_properties(fst)
    assert p.all_known(found)
    for name in holds:
        assert found & getattr(p, name), name
    for name in fails:
        assert found & p.no(getattr(p, name)), name


def test_a_cycle_without_weight_is_an_unweighted_cycle():
    fst = Fst.from_arcs([(0, 1, 1, 0.0, 0), (0, 2, 2, 3.0, 1)], [INF, 0.0])
    assert p.compute_properties(fst) & p.no(p.WEIGHTED_CYCLES)
    assert p.compute_properties(fst) & p.WEIGHTED


def test_strong_components_are_those_of_a_matrix_of_paths():
    rng = np.random.default_rng(3)
    for _ in range(30):
        size = int(rng.integers(1, 9))
        arcs = [
            (int(a), 1, 1, 0.0, int(b)) for a, b in rng.integers(size, size=(int(rng.integers(0, 14)), 2))
        ]
        fst = Fst.from_arcs(arcs, [0.0] * size)
        paths = np.eye(size, dtype=bool)
        for a, *_, b in arcs:
            paths[a, b] = True
        for _ in range(size):
            paths = paths | (paths.astype(int) @ paths.astype(int) > 0)
        component = strong_components(fst)
        assert np.array_equal(component[:, None] == component, paths & paths.T)
        assert np.array_equal(accessible(fst), paths[0])


def test_states_that_reach_no_end_are_not_coaccessible():
    assert coaccessible(MIXED).tolist() == [True, True, False]
    assert accessible(Fst.from_arcs([], [], -1)).tolist() == []


@pytest.mark.parametrize(
    "change, message",
    [
        ({"start": 5}, "start state of an FST is 5, but it has 4 states"),
        ({"targets": np.array([1, 2, 9])}, "leads to state 9"),
        ({"weights": np.zeros(2)}, "3 targets"),
        ({"indptr": np.array([0, 2, 1, 3, 3])}, "negative number of arcs"),
        ({"indptr": np.array([0, 1, 2, 3])}, "not numbered from 0 to 3"),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(change, message):
    fields = {k: getattr(STRING, k) for k in Fst.__dataclass_fields__}
    with pytest.raises(ValueError, match=message):
        Fst(**(fields | change))


def test_an_arc_from_nowhere_is_refused():
    with pytest.raises(ValueError, match="leaves state 3 of 2 states"):
        Fst.from_arcs([(3, 1, 1, 0.0, 0)], [0.0, 0.0])


def test_lists_of_arcs_and_back_give_the_same_fst():
    assert same(Fst.from_lists(MIXED.lists(), MIXED.finals), MIXED)
    assert not same(MIXED, LOOP)

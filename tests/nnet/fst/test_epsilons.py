"""Epsilon removal, joining and renumbering, against sums over paths."""

import numpy as np
import pytest

from nnet.fst.arrays import Fst, same
from nnet.fst.epsilons import concatenate, is_epsilon, remove_epsilons
from nnet.fst.order import breadth_first, connect, renumber, sort_arcs
from tests.nnet.fst.paths import best, random_fst

INF = float("inf")


def sentences(rng):
    return [rng.integers(1, 3, size=k).tolist() for k in (0, 1, 1, 2, 2, 3, 4)]


def test_without_epsilons_every_word_sequence_costs_the_same(rng):
    for _ in range(30):
        fst = random_fst(rng, 6, 14)
        without = remove_epsilons(fst)
        assert not any(is_epsilon(a) for row in without.lists() for a in row)
        for words in sentences(rng):
            assert best(without, words) == pytest.approx(best(fst, words))


def test_a_joined_fst_reads_one_sentence_after_the_other(rng):
    a, b = random_fst(rng, 4, 8), random_fst(rng, 5, 9)
    joined = concatenate(a, b)
    for words in sentences(rng):
        splits = (best(a, words[:k]) + best(b, words[k:]) for k in range(len(words) + 1))
        assert best(joined, words) == pytest.approx(min(splits))


def test_an_fst_without_start_stays_as_it_is():
    empty = Fst.from_arcs([], [], -1)
    assert same(remove_epsilons(empty), empty)


def test_connecting_drops_states_on_no_path():
    fst = Fst.from_arcs(
        [(0, 1, 1, 0.0, 2), (2, 1, 1, 0.0, 1), (3, 1, 1, 0.0, 2), (2, 2, 2, 0.5, 2)], [INF, INF, 0.0, 0.0]
    )
    assert same(connect(fst), Fst.from_arcs([(0, 1, 1, 0.0, 1), (1, 2, 2, 0.5, 1)], [INF, 0.0]))
    assert connect(Fst.from_arcs([(0, 1, 1, 0.0, 0)], [INF])).num_states == 0


def test_breadth_first_numbers_states_by_distance():
    fst = Fst.from_arcs([(2, 1, 1, 0.0, 1), (1, 1, 1, 0.0, 0), (2, 2, 2, 0.0, 0)], [0.0, INF, INF], 2)
    found = breadth_first(fst)
    assert same(
        found, Fst.from_arcs([(0, 1, 1, 0.0, 1), (0, 2, 2, 0.0, 2), (1, 1, 1, 0.0, 2)], [INF, INF, 0.0])
    )
    assert same(renumber(found, np.array([2, 1, 0])), fst)
    with pytest.raises(ValueError, match="only 1 of the 2 states"):
        breadth_first(Fst.from_arcs([], [0.0, 0.0]))


def test_arcs_are_sorted_by_either_label():
    fst = Fst.from_arcs([(0, 2, 1, 0.0, 0), (0, 1, 2, 0.5, 0), (1, 1, 1, 0.0, 0)], [0.0, 0.0])
    assert sort_arcs(fst).ilabels.tolist() == [1, 2, 1]
    assert sort_arcs(fst, by_output=True).ilabels.tolist() == [2, 1, 1]

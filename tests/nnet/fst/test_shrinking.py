"""Minimisation, pushing, local epsilon removal, reversal, composition: every sequence costs what it did."""

import numpy as np
import pytest

from nnet.fst.arrays import Fst, same
from nnet.fst.compose import compose
from nnet.fst.epsilons import remove_epsilons
from nnet.fst.local_epsilons import remove_epsilons_locally
from nnet.fst.minimize import minimize, quantize
from nnet.fst.order import reverse
from nnet.fst.push import exp32, push_special
from nnet.fst.standard_order import StandardQueue, standard_sort
from tests.nnet.fst.paths import best, random_fst
from tests.nnet.fst.test_epsilons import sentences

INF = float("inf")
BY_CPP = [18, 3, 15, 6, 12, 9, 0, 10, 19, 16, 13, 7, 4, 1, 11, 8, 14, 5, 17, 2]  # std::sort, libstdc++


def pushed(fst: Fst) -> Fst:
    return push_special(fst, 1e-5)


def in_steps(fst: Fst) -> Fst:
    """Few different costs, so that states have equal futures."""
    return quantize(fst, 0.5)


@pytest.mark.parametrize("work", [minimize, pushed, remove_epsilons_locally])
def test_the_cost_of_every_sequence_stays(work, rng):
    for _ in range(30):
        fst = in_steps(random_fst(rng, 6, 14))
        changed = work(fst)
        for words in sentences(rng):
            assert best(changed, words) == pytest.approx(best(fst, words), abs=1e-5)


def test_states_with_equal_futures_become_one_with_and_without_cycles():
    twins = [(0, 1, 1, 0.5, 1), (0, 2, 2, 0.5, 2), (1, 3, 3, 1.0, 3), (2, 3, 3, 1.0, 3)]
    assert minimize(Fst.from_arcs(twins, [INF, INF, INF, 0.25])).num_states == 3
    looped = [*twins, (3, 4, 4, 0.0, 0)]
    assert minimize(Fst.from_arcs(looped, [INF, INF, INF, 0.25])).num_states == 3
    different = [*twins[:3], (2, 3, 3, 1.5, 3)]
    assert minimize(Fst.from_arcs(different, [INF, INF, INF, 0.25])).num_states == 4


def test_nothing_is_left_where_no_path_is():
    assert minimize(Fst.from_arcs([(0, 1, 1, 0.0, 0)], [INF])).num_states == 0


def test_pushed_states_sum_to_the_same(rng):
    for _ in range(20):
        fst = remove_epsilons(random_fst(rng, 6, 14))
        even = push_special(fst, 1e-6)
        sums = np.bincount(even.sources, exp32(even.weights), minlength=even.num_states)
        sums += exp32(even.finals)
        assert np.ptp(np.log(sums)) < 1e-5


def test_an_fst_without_states_stays_as_it_is():
    empty = Fst.from_arcs([], [], -1)
    assert same(push_special(empty, 1e-5), empty)
    assert same(remove_epsilons_locally(empty), empty)
    assert compose(empty, empty).num_states == 0


def test_a_reversed_fst_reads_backwards(rng):
    for _ in range(20):
        fst = random_fst(rng, 5, 10)
        for words in sentences(rng):
            assert best(reverse(fst), words[::-1]) == pytest.approx(best(fst, words))


def test_an_epsilon_between_single_arcs_is_joined_with_them():
    fst = Fst.from_arcs([(0, 1, 1, 0.25, 1), (1, 0, 0, 0.5, 2), (2, 2, 2, 0.125, 3)], [INF, INF, INF, 0.0])
    assert same(
        remove_epsilons_locally(fst),
        Fst.from_arcs([(0, 1, 1, 0.75, 1), (1, 2, 2, 0.125, 2)], [INF, INF, 0.0]),
    )


@pytest.mark.parametrize("match", ["first", "second", "both"])
def test_composed_acceptors_accept_what_both_accept_at_the_sum_of_costs(match, rng):
    for _ in range(20):
        a, b = random_fst(rng, 5, 10), random_fst(rng, 4, 9)
        both = compose(a, b, match)
        for words in sentences(rng):
            assert best(both, words) == pytest.approx(best(a, words) + best(b, words))


def test_sorting_is_right_and_a_queue_gives_the_smallest_first(rng):
    for size in (3, 17, 60, 500):
        keys = rng.integers(size // 2 + 1, size=size).tolist()
        order = standard_sort(range(size), keys)
        assert sorted(order) == list(range(size))
        assert [keys[i] for i in order] == sorted(keys)
        queue = StandardQueue()
        for i, k in enumerate(keys):
            queue.push((k, i, 0))
        assert [queue.pop()[0] for _ in keys] == sorted(keys)


def test_equal_keys_are_left_as_the_cpp_library_leaves_them():
    assert standard_sort(range(20), [7 * k % 3 for k in range(20)]) == BY_CPP

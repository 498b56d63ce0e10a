"""Phones in context: every sequence becomes the sequence of its windows, at the same cost."""

import numpy as np
import pytest

from nnet.fst.arrays import Fst
from nnet.fst.context import expand_context
from tests.nnet.fst.paths import INF, best, random_fst

WINDOWS = [(1, 0), (2, 1), (2, 0), (3, 1), (3, 0), (4, 2)]


def windows_of(phones: list[int], width: int, central: int) -> list[tuple[int, ...]]:
    padded = [0] * central + phones + [0] * (width - central - 1)
    return [tuple(padded[i : i + width]) for i in range(len(phones))]


@pytest.mark.parametrize(("width", "central"), WINDOWS)
def test_sequences_of_windows_cost_what_their_phones_cost(width, central, rng):
    for _ in range(10):
        fst = random_fst(rng, 5, 10)
        expanded, windows = expand_context(fst, [1, 2], width, central)
        for count in (1, 2, 2, 3, 4, 5):
            phones = rng.integers(1, 3, count).tolist()
            wanted = windows_of(phones, width, central)
            cost = best(fst, phones)
            if cost < INF:
                labels = [windows.index(w) for w in wanted]
                assert best(expanded, labels) == pytest.approx(cost)
            elif set(wanted) <= set(windows):
                assert best(expanded, [windows.index(w) for w in wanted]) == INF


def test_a_phone_that_the_topology_lacks_is_refused():
    with pytest.raises(ValueError, match="phone 7"):
        expand_context(Fst.linear([1, 7]), [1, 2], 1, 0)


def test_an_empty_fst_stays_empty():
    assert expand_context(Fst.from_arcs([], [], -1), [1], 2, 1)[0].num_states == 0
    assert np.isinf(best(expand_context(Fst.linear([1]), [1], 2, 1)[0], []))

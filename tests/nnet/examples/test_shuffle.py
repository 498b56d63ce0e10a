"""Random order and random subsets."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from nnet.examples.shuffle import shuffle, subset


@pytest.mark.parametrize("buffer_size", [0, 1, 7, 1000])
def test_shuffling_keeps_every_item_once(buffer_size):
    out = list(shuffle(range(100), np.random.default_rng(0), buffer_size))
    assert sorted(out) == list(range(100))
    assert (out != list(range(100))) == (buffer_size != 1)


def test_shuffling_is_repeatable_and_depends_on_the_seed():
    orders = [list(shuffle(range(50), np.random.default_rng(seed))) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_a_buffer_holds_no_more_items_than_its_size():
    taken = 0

    def source():
        nonlocal taken
        for i in range(50):
            taken = i + 1
            yield i

    for given, _ in enumerate(shuffle(source(), np.random.default_rng(0), 5)):
        assert taken - given <= 6


def test_every_order_is_equally_likely():
    rng = np.random.default_rng(0)
    counts = Counter(tuple(shuffle("abc", rng)) for _ in range(1200))
    assert len(counts) == 6 and min(counts.values()) > 140


def test_every_item_is_equally_likely_to_be_in_a_subset():
    rng = np.random.default_rng(0)
    counts = Counter(i for _ in range(2000) for i in subset(range(10), 3, rng)[0])
    assert all(abs(counts[i] - 600) < 100 for i in range(10))


def test_a_subset_says_how_many_there_were_and_never_has_more_than_these():
    rng = np.random.default_rng(0)
    assert subset("ab", 5, rng, randomize_order=False) == (["a", "b"], 2)
    assert subset("abc", 0, rng) == ([], 3)


def test_without_random_order_places_are_kept():
    kept, seen = subset(range(30), 30, np.random.default_rng(0), randomize_order=False)
    assert kept == list(range(30)) and seen == 30
    kept, _ = subset(range(30), 30, np.random.default_rng(0))
    assert kept != list(range(30)) and sorted(kept) == list(range(30))


def test_negative_sizes_are_refused():
    with pytest.raises(ValueError, match="--buffer-size=-1 is negative"):
        list(shuffle([], np.random.default_rng(0), -1))
    with pytest.raises(ValueError, match="--n=-2 is negative"):
        subset([], -2, np.random.default_rng(0))

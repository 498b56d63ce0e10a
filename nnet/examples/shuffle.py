"""Random order and random subsets of a stream (nnet3-shuffle-egs, nnet3-subset-egs)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


def shuffle(items: Iterable[Item], rng: np.random.Generator, buffer_size: int = 0) -> Iterator[Item]:
    """`items` in random order: fully (all in memory), or as a buffer of `buffer_size` places allows.

    With a buffer each item takes a random place; what lay there goes out. At the end places are emptied in
    order. Raises ValueError for a negative buffer size.
    """
    if buffer_size < 0:
        raise ValueError(f"--buffer-size={buffer_size} is negative; 0 shuffles everything in memory")
    if buffer_size == 0:
        everything = list(items)
        for i in rng.permutation(len(everything)):
            yield everything[i]
        return
    places: dict[int, Item] = {}
    for item in items:
        place = int(rng.integers(buffer_size))
        if place in places:
            yield places[place]
        places[place] = item
    for place in sorted(places):
        yield places[place]


def subset(
    items: Iterable[Item], n: int, rng: np.random.Generator, randomize_order: bool = True
) -> tuple[list[Item], int]:
    """A random subset of at most n items, each as likely as any other, and how many items there were.

    Keeps n items in memory (reservoir sampling). Raises ValueError for a negative n.
    """
    if n < 0:
        raise ValueError(f"--n={n} is negative")
    kept: list[Item] = []
    seen = 0
    for item in items:
        seen += 1
        if seen <= n:
            kept.append(item)
        elif n and rng.random() < n / seen:
            kept[int(rng.integers(n))] = item
    if randomize_order:
        kept = [kept[i] for i in rng.permutation(len(kept))]
    return kept, seen

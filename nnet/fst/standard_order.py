"""The order in which the C++ library's sort and priority queue leave equal elements: OpenFst's numbering."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")

SMALL = 16  # fewer elements are sorted by insertion, which keeps the order of equal ones


def standard_sort(items: Sequence[Item], keys: Sequence[int]) -> list[Item]:
    """`items` sorted by `keys` with libstdc++'s std::sort: quicksort of the median of three, then insertion.

    Equal keys are left in an order that depends on everything else; states of FSTs are numbered by it.
    """
    order = list(range(len(keys)))
    if len(keys) > SMALL and len(set(keys)) < len(keys):
        key = list(keys)
        _partition_down(order, key, 0, len(key))
    order.sort(key=keys.__getitem__)
    return [items[i] for i in order]


def _partition_down(order: list[int], key: list[int], first: int, last: int) -> None:
    """Partition `order` (and `key` with it) until no part has more than SMALL elements."""
    while last - first > SMALL:
        _median_to_first(order, key, first, first + 1, first + (last - first) // 2, last - 1)
        cut = _partition(order, key, first + 1, last, key[first])
        _partition_down(order, key, cut, last)
        last = cut


def _median_to_first(order: list[int], key: list[int], to: int, a: int, b: int, c: int) -> None:
    if key[a] < key[b]:
        median = b if key[b] < key[c] else c if key[a] < key[c] else a
    else:
        median = a if key[a] < key[c] else c if key[b] < key[c] else b
    _swap(order, key, to, median)


def _partition(order: list[int], key: list[int], first: int, last: int, pivot: int) -> int:
    while True:
        while key[first] < pivot:
            first += 1
        last -= 1
        while pivot < key[last]:
            last -= 1
        if first >= last:
            return first
        _swap(order, key, first, last)
        first += 1


def _swap(order: list[int], key: list[int], i: int, j: int) -> None:
    order[i], order[j] = order[j], order[i]
    key[i], key[j] = key[j], key[i]


Entry = tuple[int, int, int]  # key, then anything


class StandardQueue:
    """std::priority_queue that gives the entry with the smallest key; its own order among equals."""

    def __init__(self) -> None:
        self.heap: list[Entry] = []

    def push(self, entry: Entry) -> None:
        """Add an entry."""
        self.heap.append(entry)
        self._rise(len(self.heap) - 1, entry)

    def pop(self) -> Entry:
        """Take the first entry."""
        heap = self.heap
        last = heap.pop()
        if not heap:
            return last
        first, length, hole, child = heap[0], len(heap), 0, 0
        while child < (length - 1) // 2:
            child = 2 * (child + 1)
            if heap[child][0] > heap[child - 1][0]:
                child -= 1
            heap[hole] = heap[child]
            hole = child
        if length % 2 == 0 and child == (length - 2) // 2:
            child = 2 * child + 1
            heap[hole] = heap[child]
            hole = child
        self._rise(hole, last)
        return first

    def _rise(self, hole: int, entry: Entry) -> None:
        heap = self.heap
        while hole > 0 and heap[parent := (hole - 1) // 2][0] > entry[0]:
            heap[hole] = heap[parent]
            hole = parent
        heap[hole] = entry

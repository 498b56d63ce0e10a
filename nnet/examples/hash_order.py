"""The order in which Kaldi's mergers give out what waits at the end: that of the C++ library's hash table."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from itertools import pairwise

import numpy as np

WORD = 1 << 64  # sizes in C++ count modulo this
BUCKETS = (1, 13, 29, 59, 127, 257, 541, 1109, 2357, 5087, 10273, 20753, 42043, 85229, 172933, 351061)
ALL_UP_TO, THEN_EVERY = 15, 10  # which indexes are hashed
N, T, X = 1619, 15649, 89809


class HashOrder:
    """Keys with their hash codes, in the order of libstdc++'s unordered_map.

    It is one list: a new key goes before those of its bucket, or to the front if the bucket is empty; when
    there are more keys than buckets, the list is dealt out anew in its order.
    """

    def __init__(self) -> None:
        self.keys: list[tuple[Hashable, int]] = []
        self.buckets = BUCKETS[0]

    def __iter__(self) -> Iterator[Hashable]:
        return (key for key, _ in self.keys)

    def insert(self, key: Hashable, code: int) -> None:
        """Add a key that is not there."""
        limit = 0 if self.buckets == BUCKETS[0] else self.buckets
        if len(self.keys) + 1 > limit:
            self.buckets = next(b for a, b in pairwise(BUCKETS) if a == self.buckets)
            keys, self.keys = self.keys, []
            for known, its_code in keys:
                self._place(known, its_code)
        self._place(key, code)

    def remove(self, key: Hashable) -> None:
        """Take a key out."""
        self.keys = [item for item in self.keys if item[0] != key]

    def _place(self, key: Hashable, code: int) -> None:
        bucket = code % self.buckets
        here = (i for i, (_, other) in enumerate(self.keys) if other % self.buckets == bucket)
        self.keys.insert(next(here, 0), (key, code))


def string_code(text: str) -> int:
    """Kaldi's StringHasher."""
    code = 0
    for byte in text.encode():
        code = (code * 7853 + byte) % WORD
    return code


def indexes_code(indexes: np.ndarray) -> int:
    """Kaldi's IndexVectorHasher of (M, 3) indexes n, t, x: the first 15, then every tenth."""
    some = np.concatenate([indexes[:ALL_UP_TO], indexes[ALL_UP_TO::THEN_EVERY]]).astype(np.int64)
    n, t, x = some.sum(axis=0).tolist()
    return (1433 + 34949 * len(indexes) + n * N + t * T + x * X) % WORD


def inputs_code(ios: Iterable[tuple[str, np.ndarray, int]]) -> int:
    """Kaldi's NnetExampleStructureHasher of (name, indexes, columns) in turn."""
    ios = list(ios)
    code = 35099 * len(ios)
    for name, indexes, cols in ios:
        one = string_code(name) + indexes_code(indexes) + 19249 * len(indexes) + 14731 * cols
        code = (code * 19157 + one) % WORD
    return code


def chain_code(
    inputs: Iterable[tuple[str, np.ndarray, int]], outputs: Iterable[tuple[str, np.ndarray]]
) -> int:
    """Kaldi's NnetChainExampleStructureHasher; outputs as (name, indexes)."""
    code = inputs_code(inputs)
    for name, indexes in outputs:
        code = (code * 17957 + string_code(name) + indexes_code(indexes)) % WORD
    return code

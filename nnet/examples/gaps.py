"""Where the chunks of an utterance lie: gaps before them, or overlaps between them (Kaldi's GetGapSizes)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np


def gap_sizes(length: int, chunks: Sequence[int], factor: int, rng: np.random.Generator) -> list[int]:
    """Frames left out before each chunk, negative where it overlaps the one before; multiples of `factor`.

    Frames to spare go evenly to the gaps before, between and after the chunks, larger ones at random places.
    Raises ValueError if one chunk alone is longer than the utterance.
    """
    if not chunks:
        return []
    sizes = [c // factor for c in chunks]
    spare = -(-length // factor) - sum(sizes)
    if spare >= 0:
        gaps = spread_evenly(spare, len(sizes) + 1, rng)[:-1]
    elif len(sizes) == 1:
        raise ValueError(f"chunk size is {chunks[0]} but utterance length is only {length}")
    else:
        smaller = [min(a, b) for a, b in pairwise(sizes)]
        gaps = [0, *(-v for v in spread_in_proportion(-spare, smaller))]
    return [g * factor for g in gaps]


def spread_evenly(n: int, parts: int, rng: np.random.Generator) -> list[int]:
    """Integers that sum to n >= 0 and differ by at most one, in random order."""
    common, rest = divmod(n, parts)
    if rest == 0:
        return [common] * parts
    values = np.full(parts, common)
    values[rng.permutation(parts)[:rest]] += 1
    return values.tolist()


def spread_in_proportion(n: int, magnitudes: Sequence[int]) -> list[int]:
    """Integers that sum to n >= 0, nearly in proportion to `magnitudes`.

    What is left after rounding down goes, one each, to the first parts: Kaldi means to favour the largest
    remainders, but holds them in integers, where all are zero (DistributeRandomly).
    """
    total = np.float32(sum(magnitudes))
    values = [int(np.float32(n) * np.float32(m) / total) for m in magnitudes]
    for i in range(n - sum(values)):
        values[i] += 1
    return values

"""What trees are grown from: sums of features for every pdf class of every phone in every context."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from nnet.context_trees.alignments import Segment, Window, windows
from nnet.formats.tree import PDF_CLASS

UNKNOWN = -1  # the context of a context-independent phone, which no question may ask for
VARIANCE_FLOOR = 0.01
LOG_2_PI = float(np.log(2 * np.pi))


@dataclass(frozen=True)
class TreeStatistics:
    """M events with the Gaussian statistics of their frames, sorted by pdf class, then window.

    `classes` (M,), `phones` (M, width): the windows, UNKNOWN where a phone may not be asked for. `counts`
    (M,), `sums`, `squares` (M, D) float64.
    """

    central: int
    classes: np.ndarray
    phones: np.ndarray
    counts: np.ndarray
    sums: np.ndarray
    squares: np.ndarray

    @property
    def width(self) -> int:
        """Phones in a window."""
        return self.phones.shape[1]

    @property
    def keys(self) -> list[int]:
        """What questions may ask for, as Kaldi orders it."""
        return [PDF_CLASS, *range(self.width)]

    def values(self, key: int) -> np.ndarray:
        """(M,) the values of a key."""
        return self.classes if key == PDF_CLASS else self.phones[:, key]

    def objective(self, events: np.ndarray) -> np.float32:
        """Log-likelihood of the frames of `events` (numbers, or a mask) under one Gaussian."""
        return objective(
            float(self.counts[events].sum()), self.sums[events].sum(axis=0), self.squares[events].sum(axis=0)
        )


def objective(count: float, sums: np.ndarray, squares: np.ndarray) -> np.float32:
    """Log-likelihood of `count` frames under the diagonal Gaussian of their sums and sums of squares.

    In single precision, as Kaldi passes it on (GaussClusterable::Objf); variances are floored at 0.01.
    """
    if count <= 0.0:
        return np.float32(0)
    mean = sums / count
    variance = squares / count - mean * mean
    floored = np.maximum(variance, VARIANCE_FLOOR)
    per_frame = -0.5 * float((variance / floored).sum())
    per_frame -= 0.5 * float(np.log(floored).sum() + LOG_2_PI * len(sums))
    return np.float32(per_frame * count)


class Accumulator:
    """Collects statistics utterance by utterance (Kaldi's acc-tree-stats)."""

    def __init__(self, width: int, central: int, context_independent: Collection[int] = ()):
        if not 0 <= central < width:
            raise ValueError(f"the central position {central} is not inside a window of {width} phones")
        self.width, self.central, self.free = width, central, frozenset(context_independent)
        self.events: dict[tuple[int, ...], list[np.ndarray]] = {}

    def add(self, segments: Iterable[Segment], classes: np.ndarray, features: np.ndarray) -> None:
        """Count one utterance: its phones in order, the pdf class of every frame, features (T, D).

        Raises ValueError if lengths differ.
        """
        segments = list(segments)
        total = sum(s.length for s in segments)
        if not total == len(classes) == len(features):
            raise ValueError(f"{len(features)} frames of features, {total} frames of alignment")
        x = features.astype(np.float64)
        first = 0
        for segment, window in zip(segments, windows([s.phone for s in segments], self.width, self.central)):
            frames = slice(first, first + segment.length)
            for c in np.unique(classes[frames]).tolist():
                self._count((int(c), *self._asked(window)), x[frames][classes[frames] == c])
            first += segment.length

    def _asked(self, window: Window) -> Window:
        """`window` with nothing in it that may not be asked for."""
        if window[self.central] not in self.free:
            return window
        return tuple(p if i == self.central else UNKNOWN for i, p in enumerate(window))

    def _count(self, event: tuple[int, ...], x: np.ndarray) -> None:
        new = [np.array(float(len(x))), x.sum(axis=0), (x * x).sum(axis=0)]
        old = self.events.get(event)
        self.events[event] = new if old is None else [a + b for a, b in zip(old, new)]

    def statistics(self) -> TreeStatistics:
        """All that was counted. Raises ValueError if nothing was, or something is not finite."""
        if not self.events:
            raise ValueError("no frames were counted, so there is nothing to grow a tree from")
        events = sorted(self.events)
        counts, sums, squares = (np.stack([self.events[e][k] for e in events]) for k in range(3))
        if not np.isfinite(squares).all():
            raise ValueError("the features of an utterance are not finite")
        table = np.array(events, np.int64)
        return TreeStatistics(self.central, table[:, 0], table[:, 1:], counts, sums, squares)

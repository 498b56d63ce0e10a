"""How an utterance is cut into chunks of labelled frames (Kaldi's UtteranceSplitter)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nnet.examples.gaps import gap_sizes

COST_THRESHOLD = np.float32(1.9999)  # splits whose cost is this near the best one are drawn from
f32 = np.float32  # costs are compared in Kaldi's precision, so that ties fall the same way
Split = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ChunkOptions:
    """Sizes and contexts of the chunks, in input frames (Kaldi's ExampleGenerationConfig).

    `num_frames` is "8", or a principal size with alternatives "40,25,50", or "-1": one chunk per utterance.
    """

    left_context: int = 0
    right_context: int = 0
    left_context_initial: int = -1  # at the start of an utterance; negative: left_context
    right_context_final: int = -1
    num_frames: str = "1"
    num_frames_overlap: int = 0
    frame_subsampling_factor: int = 1

    def sizes(self) -> tuple[int, ...]:
        """Chunk sizes, rounded up to multiples of the subsampling factor; () for "-1". Raises ValueError."""
        m = self.frame_subsampling_factor
        if m < 1:
            raise ValueError(f"--frame-subsampling-factor={m} is not positive")
        if self.num_frames == "-1":
            return ()
        try:
            sizes = tuple(int(v) for v in self.num_frames.split(","))
        except ValueError:
            raise ValueError(
                f"--num-frames={self.num_frames} is not a comma-separated list of integers"
            ) from None
        if min(sizes) <= 0:
            raise ValueError(f"--num-frames={self.num_frames}: sizes must be positive (or -1 alone)")
        return tuple(-(-v // m) * m for v in sizes)

    @property
    def first_left_context(self) -> int:
        """Left context of an utterance's first chunk."""
        return self.left_context_initial if self.left_context_initial >= 0 else self.left_context

    @property
    def last_right_context(self) -> int:
        """Right context of an utterance's last chunk."""
        return self.right_context_final if self.right_context_final >= 0 else self.right_context


@dataclass(frozen=True)
class Chunk:
    """Labelled frames: input frames first_frame ... first_frame + num_frames - 1, and their contexts.

    `output_weights` has one weight per output frame: 1 / (number of chunks that the frame is in), float32.
    """

    first_frame: int
    num_frames: int
    left_context: int
    right_context: int
    output_weights: np.ndarray


class UtteranceSplitter:
    """Cuts utterances into chunks and keeps count of them.

    Among the ways to cut an utterance one is drawn from those that fit it best: a frame left out costs 2, one
    used twice costs 1. Raises ValueError for options that make no sense.
    """

    def __init__(self, options: ChunkOptions, rng: np.random.Generator):
        self.options, self.rng = options, rng
        self.sizes = options.sizes()
        if self.sizes and not 0 <= options.num_frames_overlap < self.sizes[0]:
            raise ValueError(
                f"--num-frames-overlap={options.num_frames_overlap} must be at least 0 and less than "
                f"the first of --num-frames={options.num_frames}"
            )
        self.splits_for_length = (
            _splits_for_length(self.sizes, options.num_frames_overlap) if self.sizes else []
        )
        self.num_utterances = self.input_frames = self.overlapping_frames = 0
        self.count_of_size: Counter[int] = Counter()

    def chunks(self, length: int) -> list[Chunk]:
        """The chunks of an utterance of `length` frames; none if it is shorter than the smallest chunk."""
        sizes = self._draw_sizes(length) if self.sizes else [length]
        gaps = (
            gap_sizes(length, sizes, self.options.frame_subsampling_factor, self.rng) if self.sizes else [0]
        )
        starts, t = [], 0
        for gap, size in zip(gaps, sizes):
            starts.append(t + gap)
            t += gap + size
        self._count(length, starts, sizes)
        return self._with_contexts(length, starts, sizes)

    def _with_contexts(self, length: int, starts: Sequence[int], sizes: Sequence[int]) -> list[Chunk]:
        o, last = self.options, len(sizes) - 1
        weights = output_weights(length, starts, sizes, o.frame_subsampling_factor)
        return [
            Chunk(
                starts[i],
                sizes[i],
                o.first_left_context if i == 0 else o.left_context,
                o.last_right_context if i == last else o.right_context,
                weights[i],
            )
            for i in range(len(sizes))
        ]

    def _draw_sizes(self, length: int) -> list[int]:
        repeats, tabulated = 0, length
        longest, step = len(self.splits_for_length) - 1, self.sizes[0] - self.options.num_frames_overlap
        if tabulated > longest:
            repeats = -(-(tabulated - longest) // step)
            tabulated -= repeats * step
        splits = self.splits_for_length[tabulated]
        if not splits:
            return []
        split = splits[self.rng.integers(len(splits))] if len(splits) > 1 else splits[0]
        sizes = sorted(list(split) + [self.sizes[0]] * repeats)
        if sizes[0] != sizes[-1] and self.rng.integers(2) == 0:
            sizes.reverse()
        return sizes

    def _count(self, length: int, starts: Sequence[int], sizes: Sequence[int]) -> None:
        self.num_utterances += 1
        self.input_frames += length
        self.count_of_size.update(sizes)
        for i in range(1, len(sizes)):
            self.overlapping_frames += max(0, starts[i - 1] + sizes[i - 1] - starts[i])

    @property
    def frames_in_chunks(self) -> int:
        """Labelled frames in all chunks so far."""
        return sum(size * n for size, n in self.count_of_size.items())

    def length_problem(self, utterance: str, length: int, targets: int, tolerance: int) -> str | None:
        """A sentence if `targets` rows of targets do not go with `length` frames of features, else None."""
        m = self.options.frame_subsampling_factor
        expected = -(-length // m)
        if abs(targets - expected) <= tolerance:
            return None
        how = f"({length} + {m} - 1) / {m} = {expected}" if m > 1 else f"{expected}"
        note = f" (note: --frame-subsampling-factor={m})" if m > 1 else ""
        return (
            f"Supervision does not have expected length for utterance {utterance}: "
            f"expected length = {how}, got {targets}{note}"
        )

    def summary(self) -> list[str]:
        """Kaldi's closing log lines on how the utterances were split."""
        chunks, frames = sum(self.count_of_size.values()), self.frames_in_chunks
        percent = _ratio(100.0)
        overlap, output = (
            percent(self.overlapping_frames, self.input_frames),
            percent(frames, self.input_frames),
        )
        lines = [
            f"Split {self.num_utterances} utts, with total length {self.input_frames} frames "
            f"({self.input_frames / 360000.0:g} hours assuming 100 frames per second) into {chunks} chunks.",
            f"Average chunk length was {_ratio()(frames, chunks):g} frames; overlap between adjacent chunks "
            f"was {overlap:g}% of input length; length of output was {output:g}% of input length "
            f"(minus overlap = {output - overlap:g}%).",
        ]
        if len(self.count_of_size) > 1:
            shares = ", ".join(
                f"{s} = {percent(s * n, frames):.4g}%" for s, n in sorted(self.count_of_size.items())
            )
            lines.append(f"Output frames are distributed among chunk-sizes as follows: {shares}")
        return lines


def _ratio(scale: float = 1.0) -> Callable[[int, int], float]:
    return lambda a, b: scale * a / b if b else 0.0


def output_weights(length: int, starts: Sequence[int], sizes: Sequence[int], factor: int) -> list[np.ndarray]:
    """For each chunk 1 / (number of chunks that have the frame), one float32 weight per output frame."""
    count = np.zeros(-(-length // factor), np.int64)
    ranges = [slice(s // factor, (s + n) // factor) for s, n in zip(starts, sizes)]
    for r in ranges:
        count[r] += 1
    return [(1.0 / count[r]).astype(np.float32) for r in ranges]


def default_duration(split: Sequence[int], principal: int, overlap: int) -> np.float32:
    """Frames that chunks `split` cover; neighbours overlap by overlap/principal of the shorter one."""
    proportion = f32(overlap) / f32(principal)
    duration = f32(sum(split))
    for a, b in pairwise(split):
        duration -= proportion * f32(min(a, b))
    return duration


def _candidate_splits(sizes: tuple[int, ...], overlap: int, longest: int) -> list[Split]:
    """Up to two alternative sizes and any number of principal ones, up to a duration never chosen; sorted."""
    ceiling, found = longest + sizes[0], set()
    alternatives = [(), *((s,) for s in sizes[1:])]
    for a in alternatives:
        for b in alternatives:
            split: list[int] = [*a, *b]
            while not split or default_duration(split, sizes[0], overlap) <= ceiling:
                found.add(tuple(split))
                split = sorted([*split, sizes[0]])
    return sorted(found - {()})


def _splits_for_length(sizes: tuple[int, ...], overlap: int) -> list[list[Split]]:
    """For each length up to 2 max(sizes) + sizes[0], the splits to draw from (Kaldi's InitSplitForLength)."""
    longest = 2 * max(sizes) + sizes[0]
    splits = _candidate_splits(sizes, overlap, longest)
    length = np.arange(longest + 1, dtype=np.float32)[:, None]
    duration = np.array([default_duration(s, sizes[0], overlap) for s in splits], np.float32)
    cost = np.where(duration > length, duration - length, f32(2) * (length - duration))
    cost[length < np.array([max(s) for s in splits], np.float32)] = np.inf
    best = cost.min(1, keepdims=True)
    good = np.isfinite(cost) & (cost < best + COST_THRESHOLD)
    return [[splits[s] for s in np.flatnonzero(row)] for row in good]

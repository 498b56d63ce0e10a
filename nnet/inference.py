"""Outputs of a network for whole utterances, chunk by chunk (Kaldi's DecodableNnetSimple)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import lcm

import numpy as np

from nnet.graph.context import context, sees_windows
from nnet.graph.network import Nnet
from nnet.graph.plan import PlanCache, Request
from nnet.graph.run import Keep, forward

CHUNKS_AT_ONCE = 64
LONGEST = 2048  # input frames of a piece of an utterance where chunks do not matter
LENGTHS = 32  # their lengths are multiples of so many output frames, so that few plans are made


@dataclass(frozen=True)
class ChunkOptions:
    """How utterances are cut; frames are input frames. The -1 defaults mean: as in the middle of the
    utterance.
    """

    frames_per_chunk: int = 50
    frame_subsampling_factor: int = 1
    extra_left_context: int = 0
    extra_right_context: int = 0
    extra_left_context_initial: int = -1
    extra_right_context_final: int = -1

    def __post_init__(self) -> None:
        for name in ("frames_per_chunk", "frame_subsampling_factor"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name.replace('_', '-')}={getattr(self, name)} must be at least 1")
        for name in ("extra_left_context", "extra_right_context"):
            if getattr(self, name) < 0:
                raise ValueError(f"--{name.replace('_', '-')}={getattr(self, name)} must not be negative")


@dataclass(frozen=True)
class Chunk:
    """Output frames [first, first + step * count) of an utterance and the input frames around them."""

    first: int
    count: int
    left: int  # input frames before `first`
    right: int  # input frames after the last output frame


class Inference:
    """Computes `output` of one network, test modes as they are set in it, utterance by utterance."""

    def __init__(self, nnet: Nnet, options: ChunkOptions = ChunkOptions(), output: str = "output"):
        from nnet.folding import folded  # noqa: PLC0415 - it needs components, which come with a model

        self.nnet, self.options, self.output = folded(nnet), options, output
        self.plans = PlanCache(self.nnet)
        self.left, self.right = context(nnet)
        self.every = lcm(options.frame_subsampling_factor, nnet.modulus())
        self.frames_per_chunk = rounded_up(options.frames_per_chunk, self.every)
        self.chunks_matter = not sees_windows(nnet)

    def compute(self, feats: np.ndarray, ivectors: np.ndarray | None = None, period: int = 0) -> np.ndarray:
        """Outputs (ceil(frames / subsampling), output dim) for features (frames, dim).

        `ivectors`: one vector (dim,), or online ones (n, dim), one for every `period` frames. Frames
        outside the utterance repeat its first or last one. Raises ValueError naming the dims that do not
        fit, or a NaN.
        """
        self.check(feats, ivectors)
        parts: list[np.ndarray] = []
        if self.chunks_matter or (ivectors is not None and ivectors.ndim > 1):
            groups = grouped(self.chunks(len(feats)))
        else:
            groups = ([piece] for piece in self.pieces(len(feats)))
        for group in groups:
            parts.extend(self._compute_group(group, feats, ivectors, period))
        total = -(-len(feats) // self.options.frame_subsampling_factor)
        return (parts[0] if len(parts) == 1 else np.concatenate(parts))[:total]

    def chunks(self, num_frames: int) -> Iterator[Chunk]:
        """The chunks of an utterance of `num_frames` input frames."""
        o = self.options
        step = o.frame_subsampling_factor
        total, per_chunk = -(-num_frames // step), self.frames_per_chunk // step
        for start in range(0, total, per_chunk):
            count = min(per_chunk, total - start)
            left = o.extra_left_context_initial if start == 0 else -1
            right = o.extra_right_context_final if start + count == total else -1
            yield Chunk(
                start * step,
                count,
                self.left + (left if left >= 0 else o.extra_left_context),
                self.right + (right if right >= 0 else o.extra_right_context),
            )

    def pieces(self, num_frames: int) -> Iterator[Chunk]:
        """Chunks as long as memory allows, for a network to which it makes no difference.

        Neighbours compute frames between them twice: with chunks of 50 frames a TDNN-F with contexts of 22
        takes 1.4 times the products, with 150 1.1 times. What lies beyond the end is computed and dropped.
        """
        step = self.options.frame_subsampling_factor
        longest = max(self.frames_per_chunk, LONGEST)
        each = -(-num_frames // -(-num_frames // longest))
        each = rounded_up(each, lcm(self.every, LENGTHS * step))
        for first in range(0, num_frames, each):
            yield Chunk(first, each // step, self.left, self.right)

    def _compute_group(
        self, group: list[Chunk], feats: np.ndarray, ivectors: np.ndarray | None, period: int
    ) -> list[np.ndarray]:
        c, step = group[0], self.options.frame_subsampling_factor
        last = (c.count - 1) * step
        t = np.arange(-c.left, last + c.right + 1)
        at = np.clip(t[:, None] + np.array([g.first for g in group]), 0, len(feats) - 1)  # (T, N)
        inputs = {"input": feats[at]}
        frames = {"input": tuple(t.tolist())}
        if ivectors is not None:
            rows = np.stack([ivector_for(ivectors, g.first, last, period) for g in group])
            inputs["ivector"], frames["ivector"] = rows[None], (0,)
        request = Request(inputs=frames, outputs={self.output: tuple(range(0, last + 1, step))})
        acts = forward(self.nnet, self.plans(request), inputs, keep=Keep.OUTPUTS)
        y = acts.output(self.output)  # (count, N, D)
        return [np.ascontiguousarray(y[:, n]) for n in range(len(group))]

    def check(self, feats: np.ndarray, ivectors: np.ndarray | None) -> None:
        """Raise ValueError naming dims that do not fit the network, or a NaN."""
        wanted = self.nnet.input_dim("input")
        if feats.shape[1] != wanted:
            raise ValueError(f"the network expects features of dim {wanted}, they have {feats.shape[1]}")
        has = 0 if ivectors is None else ivectors.shape[-1]
        wants = self.nnet.input_dim("ivector") if "ivector" in self.nnet.input_names() else 0
        if has != wants:
            expects = f"an i-vector of dim {wants}" if wants else "no i-vector"
            given = "none was given" if ivectors is None else f"one of dim {has} was given"
            raise ValueError(f"the network expects {expects}, {given}")
        for what, x in (("features", feats), ("i-vectors", ivectors)):
            if x is not None and not np.isfinite(x).all():
                bad = tuple(np.argwhere(~np.isfinite(x))[0].tolist())
                raise ValueError(f"the {what} have a NaN or an infinity, first at {bad} of {x.shape}")


def rounded_up(number: int, unit: int) -> int:
    """The smallest multiple of `unit` that is not below `number`."""
    return -(-number // unit) * unit


def grouped(chunks: Iterator[Chunk]) -> Iterator[list[Chunk]]:
    """Runs of chunks of equal shape, to be computed as one batch."""
    group: list[Chunk] = []
    for c in chunks:
        g = group[0] if group else c
        if (c.count, c.left, c.right) != (g.count, g.left, g.right) or len(group) == CHUNKS_AT_ONCE:
            yield group
            group = []
        group.append(c)
    if group:
        yield group


def ivector_for(ivectors: np.ndarray, first: int, num_frames: int, period: int) -> np.ndarray:
    """The i-vector of a chunk: the one in force at the middle of its output frames (Kaldi's
    GetCurrentIvector).
    """
    if ivectors.ndim == 1:
        return ivectors
    frame = first + num_frames // 2
    row = frame // period
    if (row - (len(ivectors) - 1)) * period > 50:  # more than half a second is no edge effect
        raise ValueError(
            f"no i-vector for frame {frame}: {len(ivectors)} of them, one for every {period} frames, "
            f"end at frame {len(ivectors) * period - 1}; is --online-ivector-period right?"
        )
    return np.asarray(ivectors[min(row, len(ivectors) - 1)])

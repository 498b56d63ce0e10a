"""Outputs of a network for many utterances, their chunks computed together (Kaldi's NnetBatchComputer)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nnet.graph.network import Nnet
from nnet.graph.plan import Request
from nnet.graph.run import Keep, forward
from nnet.inference import ChunkOptions, Inference

PATIENCE = 8  # minibatches' worth of chunks that may wait for others of their shape


@dataclass(frozen=True)
class BatchOptions:
    """How many chunks make a minibatch: inside utterances, and at their ends where contexts differ.

    `exact_final_context`: utterances shorter than a chunk are computed at their own length, not padded.
    """

    minibatch_size: int = 128
    edge_minibatch_size: int = 32
    exact_final_context: bool = False

    def __post_init__(self) -> None:
        for name in ("minibatch_size", "edge_minibatch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name.replace('_', '-')}={getattr(self, name)} must be at least 1")


@dataclass(frozen=True)
class Shape:
    """What the chunks of a minibatch have in common: output frames, input frames before and after them."""

    count: int
    left: int
    right: int


@dataclass
class Task:
    """An utterance, some of whose chunks wait to be computed; `output` fills up."""

    utterance: str
    feats: np.ndarray
    ivectors: np.ndarray | None
    period: int
    output: np.ndarray
    waiting: int = 0


@dataclass(frozen=True)
class Piece:
    """One chunk: output frames from `begin` on, counted at the output; those before `used` are dropped."""

    task: Task
    begin: int
    used: int


class BatchInference:
    """Takes utterances, gives their outputs back in the same order; chunks of equal shape share minibatches.

    All chunks are full ones: the last of an utterance starts earlier than it must, a short utterance is
    padded.
    """

    def __init__(self, nnet: Nnet, options: ChunkOptions, batch: BatchOptions) -> None:
        self.nnet, self.options, self.batch = nnet, options, batch
        self.inference = Inference(nnet, options)
        self.tasks: deque[Task] = deque()
        self.waiting: dict[Shape, list[Piece]] = {}

    def accept(
        self, utterance: str, feats: np.ndarray, ivectors: np.ndarray | None = None, period: int = 0
    ) -> None:
        """Take features (frames, dim), i-vectors as in Inference.compute.

        Raises ValueError naming the utterance that does not fit.
        """
        try:
            self.inference.check(feats, ivectors)
        except ValueError as error:
            raise ValueError(f"utterance {utterance}: {error}") from None
        total = -(-len(feats) // self.options.frame_subsampling_factor)
        task = Task(utterance, feats, ivectors, period, np.empty((total, self.nnet.output_dim()), np.float32))
        self.tasks.append(task)
        for shape, begin, used in self.pieces(total):
            task.waiting += 1
            self.waiting.setdefault(shape, []).append(Piece(task, begin, used))
            if len(self.waiting[shape]) == self.minibatch_size(shape):
                self._compute(shape)
        if sum(map(len, self.waiting.values())) > PATIENCE * self.batch.minibatch_size:
            self._compute(max(self.waiting, key=lambda shape: len(self.waiting[shape])))

    def finish(self) -> None:
        """Compute what still waits."""
        for shape in list(self.waiting):
            self._compute(shape)

    def outputs(self) -> Iterator[tuple[str, np.ndarray]]:
        """(utterance, output (ceil(frames / subsampling), dim)) of those that are done, in order."""
        while self.tasks and not self.tasks[0].waiting:
            task = self.tasks.popleft()
            yield task.utterance, task.output

    def pieces(self, total: int) -> Iterator[tuple[Shape, int, int]]:
        """Shape, first output frame and first used one of each chunk of an utterance of `total` outputs."""
        full = self.inference.frames_per_chunk // self.options.frame_subsampling_factor
        count = total if total < full and self.batch.exact_final_context else full
        for used in range(0, total, full):
            begin = max(0, min(used, total - count))
            yield self.shape(count, begin <= 0, begin + count >= total), begin, used

    def shape(self, count: int, first: bool, last: bool) -> Shape:
        """The shape of a chunk, which may be an utterance's first or last one."""
        o, i = self.options, self.inference
        left = o.extra_left_context_initial if first else -1
        right = o.extra_right_context_final if last else -1
        return Shape(
            count,
            i.left + (left if left >= 0 else o.extra_left_context),
            i.right + (right if right >= 0 else o.extra_right_context),
        )

    def minibatch_size(self, shape: Shape) -> int:
        """How many chunks of a shape to compute at once."""
        regular = self.shape(shape.count, False, False)
        return self.batch.minibatch_size if shape == regular else self.batch.edge_minibatch_size

    def _compute(self, shape: Shape) -> None:
        pieces = self.waiting.pop(shape)
        step = self.options.frame_subsampling_factor
        # As many frames after the last output frame as Kaldi gives: it counts whole output steps.
        t = np.arange(-shape.left, shape.count * step + shape.right)
        inputs = {"input": np.stack([_frames(p.task.feats, t + p.begin * step) for p in pieces], axis=1)}
        frames = {"input": tuple(t.tolist())}
        if pieces[0].task.ivectors is not None:
            middle = shape.count // 2
            rows = [_ivector(p.task, (p.begin + middle) * step) for p in pieces]
            inputs["ivector"], frames["ivector"] = np.stack(rows)[None], (0,)
        plan = self.inference.plans(Request(frames, {"output": tuple(range(0, shape.count * step, step))}))
        y = forward(self.inference.nnet, plan, inputs, keep=Keep.OUTPUTS).output()  # (count, N, D)
        for n, piece in enumerate(pieces):
            part = y[piece.used - piece.begin :, n]
            target = piece.task.output[piece.used : piece.used + len(part)]
            target[...] = part[: len(target)]
            piece.task.waiting -= 1


def _frames(feats: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Frames `t`, the first or last one in place of those outside."""
    return feats[np.clip(t, 0, len(feats) - 1)]


def _ivector(task: Task, frame: int) -> np.ndarray:
    """The i-vector in force at a frame; beyond their end the last one: a padded chunk may have its middle
    there.
    """
    x = task.ivectors
    assert x is not None
    return np.asarray(x if x.ndim == 1 else x[min(frame // task.period, len(x) - 1)])

"""x-vectors averaged over chunks of one size, computed in batches across utterances."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from nnet.xvectors import Embedding


@dataclass
class _Task:
    """An utterance some of whose chunks wait to be computed."""

    utterance: str
    waiting: int
    vector: np.ndarray


def batched_xvectors(
    embedding: Embedding,
    features: Iterable[tuple[str, np.ndarray]],
    chunk_size: int,
    batch_size: int,
    total_context: int,
) -> Iterator[tuple[str, np.ndarray]]:
    """(utterance, mean (dim,) over its chunks), in the order of `features` (frames, dim_in).

    Shorter utterances are padded with their last frame. Raises ValueError naming the utterance that does not
    fit, or a chunk size that leaves nothing beside the context.
    """
    _check(chunk_size, batch_size, total_context)
    tasks: list[_Task] = []
    batch: list[tuple[_Task, np.ndarray, int]] = []
    for utterance, x in features:
        try:
            embedding.check(x)
        except ValueError as error:
            raise ValueError(f"utterance {utterance}: {error}") from None
        starts = chunk_starts(len(x), chunk_size, total_context)
        tasks.append(_Task(utterance, len(starts), np.zeros(embedding.dim, np.float32)))
        at = np.minimum(np.arange(chunk_size)[:, None] + starts, len(x) - 1)
        for chunk in x[at].swapaxes(0, 1):
            batch.append((tasks[-1], chunk, len(starts)))
            if len(batch) == batch_size:
                _compute(embedding, batch)
        while tasks and not tasks[0].waiting:
            yield tasks[0].utterance, tasks.pop(0).vector
    _compute(embedding, batch)
    yield from ((task.utterance, task.vector) for task in tasks)


def _check(chunk_size: int, batch_size: int, total_context: int) -> None:
    if chunk_size <= total_context or batch_size < 1:
        raise ValueError(
            f"--chunk-size={chunk_size} must be more than the context of {total_context} frames, "
            f"and --batch-size={batch_size} at least 1"
        )


def _compute(embedding: Embedding, batch: list[tuple[_Task, np.ndarray, int]]) -> None:
    """Compute the chunks of `batch`, give them to their utterances, and empty it."""
    if batch:
        outputs = embedding(np.stack([chunk for _, chunk, _ in batch], axis=1))
        for (task, _, count), y in zip(batch, outputs):
            task.vector += np.float32(1.0 / count) * y
            task.waiting -= 1
        batch.clear()


def chunk_starts(num_frames: int, chunk_size: int, total_context: int) -> list[int]:
    """Where chunks of `chunk_size` frames start so that their average varies least (Kaldi's
    SplitUtteranceIntoChunks).

    Chunks overlap by `total_context`, the frames that the network needs beside an output frame, left and
    right together; beyond that there are gaps between them, or overlaps. An utterance not longer than a chunk
    has one, which then reaches past its end. Kaldi means the context of the layers below the pooling, but
    nothing reads the switch that would find it, so there, and here, it is that of the whole network.
    """
    if num_frames <= chunk_size:
        return [0]
    frames, size = num_frames - total_context, chunk_size - total_context
    fewer = frames // size
    twice = (fewer + 1) * size - frames  # frames that one chunk more would use twice
    once = frames - twice
    gaps = np.float32(1.0 / (fewer * size)) <= np.float32(
        (once + np.float64(4 * twice)) / (once + 2.0 * twice) ** 2
    )
    if gaps:
        steps = pieces(frames - fewer * size, fewer + 1)
        first, between = steps[0], steps[1:-1]
    else:
        first, between = 0, [-v for v in pieces(twice, fewer)]
    starts = [first]
    for step in between:
        starts.append(starts[-1] + size + step)
    return starts


def pieces(total: int, count: int) -> list[int]:
    """`count` integers that sum to `total` >= 0, the larger ones last, differing by at most one."""
    least, rest = divmod(total, count)
    return [least] * (count - rest) + [least + 1] * rest

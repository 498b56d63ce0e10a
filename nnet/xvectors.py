"""One output vector for a whole utterance, from all of it or averaged over chunks (x-vector networks)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nnet.graph.network import Nnet
from nnet.graph.plan import PlanCache, Request
from nnet.graph.run import Keep, forward


@dataclass(frozen=True)
class XvectorOptions:
    """How utterances are cut, in frames. `chunk_size` -1: not at all. Chunks shorter than `min_chunk_size`
    are padded with copies of their first and last frame, or, without `pad_input`, left out.
    """

    chunk_size: int = -1
    min_chunk_size: int = 100
    pad_input: bool = True

    def __post_init__(self) -> None:
        if self.chunk_size < 1 and self.chunk_size != -1:
            raise ValueError(f"--chunk-size={self.chunk_size} must be at least 1, or -1 for whole utterances")


class Embedding:
    """Computes frame 0 of `output` from chunks of features; plans are kept by the length of the chunk."""

    def __init__(self, nnet: Nnet) -> None:
        if nnet.input_names() != ["input"]:
            raise ValueError(
                f"the network has the inputs {', '.join(nnet.input_names())}; x-vectors need 'input' alone"
            )
        self.nnet, self.plans = nnet, PlanCache(nnet)
        self.dim_in, self.dim = nnet.input_dim(), nnet.output_dim()

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Vectors (N, dim) of N chunks x (frames, N, dim_in)."""
        request = Request(inputs={"input": range(len(x))}, outputs={"output": (0,)})
        acts = forward(self.nnet, self.plans(request), {"input": x}, keep=Keep.OUTPUTS)
        return np.asarray(acts.output("output")[0])

    def check(self, x: np.ndarray) -> None:
        """Raise ValueError if features x (frames, dim_in) have another dim, a NaN or an infinity."""
        if x.shape[1] != self.dim_in:
            raise ValueError(f"the network expects features of dim {self.dim_in}, they have {x.shape[1]}")
        if not np.isfinite(x).all():
            row = int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])
            raise ValueError(f"the features have a NaN or an infinity in frame {row}")


def xvector(embedding: Embedding, x: np.ndarray, options: XvectorOptions) -> np.ndarray | None:
    """The vector (dim,) of features x (frames, dim_in): the mean over chunks, weighted by their frames.

    None if all chunks are left out as too short. Raises ValueError naming dims that do not fit.
    """
    embedding.check(x)
    size = min(options.chunk_size, len(x)) if options.chunk_size > 0 else len(x)
    parts = [x[first : first + size] for first in range(0, len(x), size)]
    if not options.pad_input:
        parts = [part for part in parts if len(part) >= options.min_chunk_size]
    total, weight = np.zeros(embedding.dim, np.float32), 0
    for group in of_equal_length(parts):
        padded = np.stack([_padded(part, options.min_chunk_size) for part in group], axis=1)
        for y in embedding(padded):
            total += np.float32(len(group[0])) * y
        weight += len(group[0]) * len(group)
    return total * np.float32(1.0 / weight) if weight else None


def of_equal_length(parts: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """All parts but a shorter last one, then that one."""
    full = [part for part in parts if len(part) == len(parts[0])]
    rest = list(parts[len(full) :])
    yield from (group for group in (full, rest) if group)


def _padded(x: np.ndarray, least: int) -> np.ndarray:
    """At least `least` frames, copies of the first and the last one added evenly."""
    lacking = max(0, least - len(x))
    left = lacking // 2
    return np.pad(x, ((left, lacking - left), (0, 0)), mode="edge")

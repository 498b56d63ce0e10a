"""Training examples from features and targets, chunk by chunk (nnet3-get-egs)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from nnet.examples.rows import GeneralMatrix, compressed, padded_stack
from nnet.examples.split import Chunk, ChunkOptions, UtteranceSplitter
from nnet.examples.targets import Targets, make_targets
from nnet.formats.examples import NnetExample, NnetIo

Keyed = tuple[str, NnetExample]


class Lookup(Protocol):
    """What is asked of a table of targets or i-vectors: a dictionary will do."""

    def __contains__(self, key: str, /) -> bool:
        """Whether there is a value for `key`."""

    def __getitem__(self, key: str, /) -> Any:
        """The value for `key`."""


@dataclass(frozen=True, kw_only=True)
class MakeOptions:
    """What examples are made of: chunks, target dimension, compression, tolerated differences in frames.

    `dim` None: the targets are arrays, of any width. `target_name`: what to call targets that are missing.
    """

    chunks: ChunkOptions
    dim: int | None
    compress: bool = True
    ivector_period: int = 1
    ivector_length_tolerance: int = 100
    targets_length_tolerance: int = 2
    target_name: str = "pdf-level posterior"


@dataclass
class MakeCounts:
    """What became of the utterances. Those without a chunk (`too_short`) are no problem, as in Kaldi."""

    utterances: int = 0
    no_targets: int = 0
    no_ivectors: int = 0
    wrong_length: int = 0
    too_short: int = 0
    examples: int = 0

    @property
    def problems(self) -> int:
        """Utterances that could not be used."""
        return self.no_targets + self.no_ivectors + self.wrong_length


class ExampleMaker:
    """Makes examples utterance by utterance; what it leaves out is counted and told to `warn`."""

    def __init__(
        self,
        options: MakeOptions,
        rng: np.random.Generator,
        warn: Callable[[str], None] = lambda message: None,
    ):
        dim = 1 if options.dim is None else options.dim
        if dim <= 0 or options.ivector_period <= 0:
            raise ValueError(
                f"target dimension {dim}, i-vector period {options.ivector_period}: must be positive"
            )
        self.options, self.rng, self.warn = options, rng, warn
        self.splitter = UtteranceSplitter(options.chunks, rng)
        self.counts = MakeCounts()
        self._dims: dict[str, int] = {}

    def stream(
        self, features: Iterable[tuple[str, GeneralMatrix]], targets: Lookup, ivectors: Lookup | None = None
    ) -> Iterator[Keyed]:
        """(key, example) for all utterances of `features`; posteriors, alignments or arrays in `targets`."""
        for utterance, x in features:
            if utterance not in targets:
                self.counts.utterances += 1
                self.counts.no_targets += 1
                self.warn(f"No {self.options.target_name} for key {utterance}")
            elif ivectors is not None and utterance not in ivectors:
                self.counts.utterances += 1
                self.counts.no_ivectors += 1
                self.warn(f"No iVectors for utterance {utterance}")
            else:
                yield from self.make(
                    utterance, x, targets[utterance], None if ivectors is None else ivectors[utterance]
                )

    def make(
        self, utterance: str, features: GeneralMatrix, targets: Any, ivectors: np.ndarray | None = None
    ) -> list[Keyed]:
        """Examples of one utterance, keys `utterance-firstframe`; none, and a warning, if lengths do not fit.

        Features (T, D) keep their codes if compressed; edge frames are repeated as context. Targets come one
        row per output frame, or at the rate of the features. Raises ValueError naming the utterance if
        targets are of a wrong kind, values are not finite or dims differ from those of utterances before.
        """
        self.counts.utterances += 1
        length = features.shape[0]
        try:
            rows = self._at_output_rate(make_targets(targets, self.options.dim), length)
        except ValueError as error:
            raise ValueError(f"utterance {utterance}: {error}") from None
        self._check_values(utterance, "features", features)
        self._check_values(utterance, "i-vectors", ivectors)
        problem = self._ivector_problem(utterance, length, ivectors) or self.splitter.length_problem(
            utterance, length, len(rows), self.options.targets_length_tolerance
        )
        if problem or length == 0:
            self.counts.wrong_length += 1
            self.warn(problem or f"No features for utterance {utterance}")
            return []
        chunks = self._chunks(utterance, length)
        self.counts.examples += len(chunks)
        inputs = self._inputs(features, chunks)
        return [
            (f"{utterance}-{chunk.first_frame}", self._example(chunk, x, rows, ivectors, length))
            for chunk, x in zip(chunks, inputs)
        ]

    def _chunks(self, utterance: str, length: int) -> list[Chunk]:
        """The chunks of an utterance; none, and a warning, if it is too short."""
        chunks = self.splitter.chunks(length)
        if not chunks:
            self.counts.too_short += 1
            self.warn(
                f"Not producing egs for utterance {utterance} because it is too short: {length} frames."
            )
        return chunks

    def _check_values(self, utterance: str, what: str, x: GeneralMatrix | None) -> None:
        if x is None or not x.shape[0]:
            return
        dim = self._dims.setdefault(what, x.shape[1])
        if x.shape[1] != dim:
            raise ValueError(f"utterance {utterance}: {what} of dim {x.shape[1]}, those before have {dim}")
        if isinstance(x, np.ndarray) and not np.isfinite(x).all():
            row = int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])
            raise ValueError(f"utterance {utterance}: {what} have a NaN or an infinity in row {row}")

    def _at_output_rate(self, targets: Targets, length: int) -> Targets:
        """Targets for every input frame are thinned out; Kaldi checks one rate and reads at the other."""
        factor, tolerance = (
            self.options.chunks.frame_subsampling_factor,
            self.options.targets_length_tolerance,
        )
        if factor == 1 or abs(len(targets) - -(-length // factor)) <= tolerance:
            return targets
        return targets.every(factor) if abs(len(targets) - length) <= tolerance else targets

    def _ivector_problem(self, utterance: str, length: int, ivectors: np.ndarray | None) -> str | None:
        if ivectors is None:
            return None
        frames, tolerance = len(ivectors) * self.options.ivector_period, self.options.ivector_length_tolerance
        if len(ivectors) and abs(length - frames) <= tolerance:
            return None
        return (
            f"Length difference between feats {length} and iVectors {len(ivectors)} (period "
            f"{self.options.ivector_period}) exceeds tolerance {tolerance} for utterance {utterance}"
        )

    def _inputs(self, features: GeneralMatrix, chunks: list[Chunk]) -> list[GeneralMatrix]:
        """Features of each chunk with its context."""
        sizes = [c.left_context + c.num_frames + c.right_context for c in chunks]
        inputs: list[Any] = [None] * len(chunks)
        for size in set(sizes):
            which = [i for i, s in enumerate(sizes) if s == size]
            starts = [chunks[i].first_frame - chunks[i].left_context for i in which]
            for i, x in zip(which, padded_stack(features, starts, size, self.options.compress)):
                inputs[i] = x
        return inputs

    def _example(
        self, chunk: Chunk, x: GeneralMatrix, targets: Targets, ivectors: np.ndarray | None, length: int
    ) -> NnetExample:
        io = [NnetIo("input", frame_indexes(-chunk.left_context, x.shape[0]), x)]
        if ivectors is not None:
            io.append(NnetIo("ivector", frame_indexes(0, 1), self._ivector(chunk, ivectors, length)))
        factor = self.options.chunks.frame_subsampling_factor
        y: GeneralMatrix = targets.rows(chunk.first_frame // factor, chunk.output_weights)
        y = compressed(y) if self.options.compress else y
        io.append(NnetIo("output", frame_indexes(0, y.shape[0], factor), y))
        return NnetExample(io)

    def _ivector(self, chunk: Chunk, ivectors: np.ndarray, length: int) -> GeneralMatrix:
        """One i-vector (1, D) for the chunk, from a random frame at or after its start, as Kaldi draws it."""
        start = chunk.first_frame - chunk.left_context
        frame = int(self.rng.integers(start, start + length)) // self.options.ivector_period
        row = min(max(frame, 0), len(ivectors) - 1)
        x = ivectors[row : row + 1].astype(np.float32)
        return compressed(x) if self.options.compress else x


@lru_cache(maxsize=1024)
def frame_indexes(first: int, count: int, step: int = 1) -> np.ndarray:
    """Indexes (count, 3) with n = 0, t = first, first + step, ..., x = 0; read-only, shared by examples."""
    indexes = np.zeros((count, 3), np.int32)
    indexes[:, 1] = np.arange(first, first + step * count, step)
    indexes.flags.writeable = False
    return indexes

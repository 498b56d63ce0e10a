"""End-to-end chain examples: one for each utterance, of one of a few lengths (nnet3-chain-e2e-get-egs)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from nnet.chain.e2e import end_to_end, normalized, pdf_acceptor, shortest_length
from nnet.examples.make import Lookup, frame_indexes
from nnet.examples.rows import GeneralMatrix, compressed, padded_stack
from nnet.formats.chain_examples import ChainExample, ChainOutput
from nnet.formats.examples import NnetIo
from nnet.formats.transitions import TransitionModel
from nnet.fst.arrays import Fst

TOLERANCE = 5  # utterances that miss every allowed length by as many frames are left out


@dataclass(frozen=True, kw_only=True)
class E2eOptions:
    """Allowed `lengths` of utterances and contexts, in input frames."""

    lengths: tuple[int, ...]
    left_context: int = 0
    right_context: int = 0
    frame_subsampling_factor: int = 3
    compress: bool = True
    ivector_period: int = 1
    ivector_length_tolerance: int = 100

    def __post_init__(self) -> None:
        if not self.lengths or min(self.lengths) < 1:
            raise ValueError(f"allowed lengths of utterances must be numbers of frames, not {self.lengths}")


@dataclass
class E2eCounts:
    """What became of the utterances."""

    utterances: int = 0
    no_features: int = 0
    no_ivectors: int = 0
    wrong_length: int = 0
    too_short: int = 0
    impossible: int = 0
    examples: int = 0

    @property
    def problems(self) -> int:
        """Utterances that could not be used, but for those too short for their words."""
        return self.utterances - self.examples - self.too_short


class E2eMaker:
    """Makes the examples of one utterance after the other; what is left out is counted and told to `warn`."""

    def __init__(
        self,
        transitions: TransitionModel,
        options: E2eOptions,
        rng: np.random.Generator,
        normalization_fst: Fst | None = None,
        warn: Callable[[str], None] = lambda message: None,
    ):
        self.transitions, self.options, self.rng, self.warn = transitions, options, rng, warn
        self.normalization_fst = normalization_fst
        self.counts = E2eCounts()
        self._acceptors: dict[bytes, tuple[Fst, int]] = {}

    def stream(
        self, graphs: Iterable[tuple[str, Fst]], features: Lookup, ivectors: Lookup | None = None
    ) -> Iterator[tuple[str, ChainExample]]:
        """(utterance, example) for the training graphs of utterances, transition-ids to words."""
        for utterance, graph in graphs:
            self.counts.utterances += 1
            if utterance not in features:
                self.counts.no_features += 1
                self.warn(f"No features for utterance {utterance}")
            elif ivectors is not None and utterance not in ivectors:
                self.counts.no_ivectors += 1
                self.warn(f"No iVectors for utterance {utterance}")
            else:
                rows = None if ivectors is None else ivectors[utterance]
                example = self._make(utterance, features[utterance], graph, rows)
                if example is not None:
                    self.counts.examples += 1
                    yield utterance, example

    def _make(
        self, utterance: str, features: GeneralMatrix, graph: Fst, ivectors: np.ndarray | None
    ) -> ChainExample | None:
        o = self.options
        length = self._length(utterance, features, ivectors)
        if length is None:
            return None
        frames = -(-length // o.frame_subsampling_factor)
        acceptor, least = self._acceptor(graph)
        if acceptor.start < 0:
            self.counts.impossible += 1
            self.warn(f"Utterance {utterance} cannot be said by the denominator graph")
            return None
        if least > frames:
            self.counts.too_short += 1
            self.warn(
                f"Too many phones for too few frames in utterance {utterance}: it has {frames} frames "
                f"after subsampling, its words need {least}"
            )
            return None
        (x,) = padded_stack(
            features, [-o.left_context], o.left_context + length + o.right_context, o.compress
        )
        inputs = [NnetIo("input", frame_indexes(-o.left_context, x.shape[0]), x)]
        if ivectors is not None:
            inputs.append(NnetIo("ivector", frame_indexes(0, 1), self._ivector(ivectors, length)))
        supervision = end_to_end(acceptor, frames, self.transitions.num_pdfs)
        indexes = frame_indexes(0, frames, o.frame_subsampling_factor)
        return ChainExample(
            inputs, [ChainOutput("output", indexes, supervision, np.ones(frames, np.float32))]
        )

    def _length(self, utterance: str, features: GeneralMatrix, ivectors: np.ndarray | None) -> int | None:
        """The allowed length that is nearest, or None if there is none near, or i-vectors do not fit."""
        o, frames = self.options, features.shape[0]
        nearest = min(o.lengths, key=lambda n: abs(n - frames))
        if not frames or abs(nearest - frames) >= TOLERANCE:
            self.counts.wrong_length += 1
            self.warn(f"Utterance {utterance} has {frames} frames, the nearest allowed length is {nearest}")
            return None
        if isinstance(features, np.ndarray) and not np.isfinite(features).all():
            raise ValueError(f"utterance {utterance}: its features have a NaN or an infinity")
        if ivectors is not None:
            covered = len(ivectors) * o.ivector_period
            if not len(ivectors) or abs(frames - covered) > o.ivector_length_tolerance:
                self.counts.wrong_length += 1
                self.warn(f"Utterance {utterance} has {frames} frames, its iVectors are for {covered}")
                return None
        return nearest

    def _acceptor(self, graph: Fst) -> tuple[Fst, int]:
        """The acceptor of a training graph, and the output frames it takes at least; equal ones are kept."""
        parts = (graph.finals, graph.indptr, graph.ilabels, graph.weights, graph.targets)
        key = b"".join(a.tobytes() for a in parts)
        if key not in self._acceptors:
            acceptor = pdf_acceptor(graph, self.transitions)
            least = shortest_length(acceptor)
            if self.normalization_fst is not None:
                acceptor = normalized(acceptor, self.normalization_fst)
            self._acceptors[key] = acceptor, least
        return self._acceptors[key]

    def _ivector(self, ivectors: np.ndarray, length: int) -> GeneralMatrix:
        """One i-vector (1, D), from a random frame, as Kaldi draws it."""
        frame = int(self.rng.integers(-self.options.left_context, length)) // self.options.ivector_period
        row = min(max(frame, 0), len(ivectors) - 1)
        x = ivectors[row : row + 1].astype(np.float32)
        return compressed(x) if self.options.compress else x

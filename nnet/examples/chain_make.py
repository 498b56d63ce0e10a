"""Chain examples from features and supervision, chunk by chunk (nnet3-chain-get-egs)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from nnet.chain.supervision_parts import SupervisionSplitter, add_normalization
from nnet.chain.unconstrained import unconstrained
from nnet.examples.make import ExampleMaker, Lookup, MakeOptions, frame_indexes
from nnet.examples.rows import GeneralMatrix
from nnet.examples.split import Chunk
from nnet.formats.chain_examples import ChainExample, ChainOutput
from nnet.formats.examples import NnetIo
from nnet.formats.transitions import TransitionModel
from nnet.fst.arrays import Fst
from nnet.fst.compose import Match
from nnet.fst.order import with_costs
from nnet.supervision import Supervision

Keyed = tuple[str, ChainExample]


@dataclass(frozen=True)
class Normalization:
    """The normalization FST, its costs scaled; `match` is where Kaldi looks labels up in each case."""

    fst: Fst
    match: Match = "second"

    @classmethod
    def scaled(cls, fst: Fst, scale: float) -> Normalization:
        """Costs times `scale` (ApplyProbabilityScale). Raises ValueError unless it is positive."""
        if not scale > 0:
            raise ValueError(f"--normalization-fst-scale={scale} must be positive")
        if scale == 1:
            return cls(fst)
        costs = with_costs(fst, fst.weights * np.float32(scale), fst.finals * np.float32(scale))
        return cls(costs)

    def apply(self, supervision: Supervision) -> Supervision | None:
        """`supervision` with these costs; None if no path is left. Raises ValueError if pdfs differ."""
        if len(self.fst.ilabels) and (label := int(self.fst.ilabels.max())) > supervision.label_dim:
            raise ValueError(
                f"the normalization FST has the label {label}, but supervision is for "
                f"{supervision.label_dim} pdfs: were they made with different trees?"
            )
        return add_normalization(self.fst, supervision, self.match)


class ChainExampleMaker(ExampleMaker):
    """Makes chain examples utterance by utterance; what it leaves out is counted and told to `warn`.

    With `transitions`, supervision is in transition-ids and examples are unconstrained: end to end.
    Without `normalization` examples are not ready for training: nnet3-chain-normalize-egs completes them.
    """

    def __init__(
        self,
        options: MakeOptions,
        rng: np.random.Generator,
        normalization: Normalization | None = None,
        long_key: bool = False,
        warn: Callable[[str], None] = lambda message: None,
        transitions: TransitionModel | None = None,
    ):
        super().__init__(options, rng, warn)
        self.normalization, self.long_key, self.transitions = normalization, long_key, transitions
        self.impossible = 0  # chunks that the normalization FST has no path for
        self.no_weights = 0  # utterances without weights of derivatives

    def chain_stream(
        self,
        features: Iterable[tuple[str, GeneralMatrix]],
        supervision: Lookup,
        ivectors: Lookup | None = None,
        deriv_weights: Lookup | None = None,
    ) -> Iterator[Keyed]:
        """(key, example) for all utterances of `features`."""
        for utterance, x in features:
            if utterance not in supervision:
                self._missing("no_targets", f"No supervision for key {utterance}")
            elif ivectors is not None and utterance not in ivectors:
                self._missing("no_ivectors", f"No iVectors for utterance {utterance}")
            elif deriv_weights is not None and utterance not in deriv_weights:
                self.no_weights += 1
                self._missing(None, f"No deriv weights for utterance {utterance}")
            else:
                yield from self.make_chain(
                    utterance,
                    x,
                    supervision[utterance],
                    None if ivectors is None else ivectors[utterance],
                    None if deriv_weights is None else deriv_weights[utterance],
                )

    def _missing(self, counter: str | None, message: str) -> None:
        self.counts.utterances += 1
        if counter is not None:
            setattr(self.counts, counter, getattr(self.counts, counter) + 1)
        self.warn(message)

    def make_chain(
        self,
        utterance: str,
        features: GeneralMatrix,
        supervision: Supervision,
        ivectors: np.ndarray | None = None,
        deriv_weights: np.ndarray | None = None,
    ) -> list[Keyed]:
        """Examples of one utterance; none, and a warning, if lengths do not fit.

        `features` (T, D), `supervision` and `deriv_weights` at the rate of the output. Raises ValueError
        naming the utterance if values are not finite, if the supervision is damaged, or if it and the
        normalization FST belong to different trees.
        """
        self.counts.utterances += 1
        self._check_values(utterance, "features", features)
        self._check_values(utterance, "i-vectors", ivectors)
        length = features.shape[0]
        if problem := self._problem(utterance, length, supervision, ivectors, deriv_weights):
            self.counts.wrong_length += 1
            self.warn(problem)
            return []
        length = min(length, supervision.frames_per_sequence * self.options.chunks.frame_subsampling_factor)
        chunks = self._chunks(utterance, length)
        try:
            outputs = self._outputs(utterance, chunks, supervision, deriv_weights)
        except ValueError as error:
            raise ValueError(f"utterance {utterance}: {error}") from None
        inputs = self._chain_inputs(features, chunks, ivectors, length)
        made = [
            (self._key(utterance, chunk), ChainExample(x, [y]))
            for chunk, x, y in zip(chunks, inputs, outputs)
            if y is not None
        ]
        self.counts.examples += len(made)
        return made

    def _problem(
        self,
        utterance: str,
        length: int,
        supervision: Supervision,
        ivectors: np.ndarray | None,
        weights: np.ndarray | None,
    ) -> str | None:
        """A sentence if the lengths of what belongs to an utterance do not fit, else None."""
        frames, tolerance = supervision.frames_per_sequence, self.options.targets_length_tolerance
        if problem := self._ivector_problem(utterance, length, ivectors):
            return problem
        if weights is not None and abs(len(weights) - frames) > tolerance:
            return (
                f"For utterance {utterance}, mismatch between deriv-weights dim and num-output-frames; "
                f"{len(weights)} vs {frames}"
            )
        if length == 0:
            return f"No features for utterance {utterance}"
        return self.splitter.length_problem(utterance, length, frames, tolerance)

    def _outputs(
        self, utterance: str, chunks: list[Chunk], supervision: Supervision, weights: np.ndarray | None
    ) -> list[ChainOutput | None]:
        factor = self.options.chunks.frame_subsampling_factor
        cutter = SupervisionSplitter(supervision) if chunks else None
        outputs: list[ChainOutput | None] = []
        for chunk in chunks:
            first, count = chunk.first_frame // factor, chunk.num_frames // factor
            part = self._part(cutter, first, count) if cutter else None
            if part is None:
                self.impossible += 1
                self.warn(
                    f"For utterance {utterance}, feature frames {chunk.first_frame} to "
                    f"{chunk.first_frame + chunk.num_frames}, FST was empty after composing with "
                    "normalization FST; this chunk is left out. This should be extremely rare"
                )
                outputs.append(None)
                continue
            w = chunk.output_weights
            if weights is not None:
                given = np.zeros(count, np.float32)
                there = weights[first : first + count]
                given[: len(there)] = there
                w = given * w
            outputs.append(ChainOutput("output", frame_indexes(0, count, factor), part, w))
        return outputs

    def _part(self, cutter: SupervisionSplitter, first: int, count: int) -> Supervision | None:
        """Supervision of `count` frames, ready for training; None if the denominator cannot say it."""
        part = cutter.part(first, count)
        if self.transitions is not None:
            part = unconstrained(part, self.transitions, self.rng)
        return part if self.normalization is None else self.normalization.apply(part)

    def _chain_inputs(
        self, features: GeneralMatrix, chunks: list[Chunk], ivectors: np.ndarray | None, length: int
    ) -> list[list[NnetIo]]:
        inputs = []
        for chunk, x in zip(chunks, self._inputs(features, chunks)):
            io = [NnetIo("input", frame_indexes(-chunk.left_context, x.shape[0]), x)]
            if ivectors is not None:
                io.append(NnetIo("ivector", frame_indexes(0, 1), self._ivector(chunk, ivectors, length)))
            inputs.append(io)
        return inputs

    def _key(self, utterance: str, chunk: Chunk) -> str:
        key = f"{utterance}-{chunk.first_frame}"
        if not self.long_key:
            return key
        return f"{key}-{chunk.left_context}-{chunk.num_frames}-{chunk.right_context}-v1"


def normalized(example: ChainExample, normalization: Normalization) -> ChainExample | None:
    """`example` with the costs of the denominator; None if no path is left (nnet3-chain-normalize-egs).

    Raises ValueError unless it has one output, for the same pdfs.
    """
    if len(example.outputs) != 1:
        raise ValueError(f"a chain example with {len(example.outputs)} outputs where one is expected")
    output = example.outputs[0]
    supervision = normalization.apply(output.supervision)
    if supervision is None:
        return None
    return ChainExample(example.inputs, [replace(output, supervision=supervision)])

"""How jobs score models: what a table of examples becomes, and what the outputs are worth."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from nnet.examples.chain_stream import ChainStreamOptions, stream_chain_minibatches
from nnet.examples.stream import StreamOptions, stream_minibatches
from nnet.graph.network import Nnet
from nnet.minibatch import Minibatch
from nnet.objectives import Evaluate
from nnet.objectives.chain.evaluate import ChainEvaluate
from nnet.programs import nnet3_chain_compute_prob
from nnet.programs.chain_options import chain_evaluate, with_xent
from nnet.programs.options import parse
from nnet.programs.program import warn

FRAMES = "frames"


class Scoring(Protocol):
    """A way to score. `prog` and `source` are the program and the file of Kaldi's that logs such scores."""

    @property
    def prog(self) -> str: ...

    @property
    def source(self) -> str: ...

    @property
    def has_accuracy(self) -> bool: ...

    @property
    def word(self) -> str:
        """What `scoring` makes this of again: one word of a job's command line."""

    def minibatches(
        self, rspecifier: str, nnet: Nnet, size: str, part: int = 0, parts: int = 1
    ) -> Iterator[Minibatch]:
        """The examples of a table merged in order: every `parts`-th minibatch from number `part`."""

    def evaluate(self, nnet: Nnet) -> Evaluate | None:
        """All objectives, for the diagnostics; None: what the outputs name."""

    def choose(self, nnet: Nnet) -> Evaluate | None:
        """The objective that chooses how many models are combined."""

    def visit(self, nnet: Nnet) -> Evaluate | None:
        """What asks for every output, so that all statistics are gathered."""


@dataclass(frozen=True)
class FrameScoring:
    """Labels of frames."""

    prog: str = "nnet3-compute-prob"
    source: str = "nnet-diagnostics.cc"
    has_accuracy: bool = True
    word: str = FRAMES

    def minibatches(
        self, rspecifier: str, nnet: Nnet, size: str, part: int = 0, parts: int = 1
    ) -> Iterator[Minibatch]:
        return stream_minibatches(rspecifier, nnet, StreamOptions(size, part=part, parts=parts))

    def evaluate(self, nnet: Nnet) -> Evaluate | None:
        return None

    choose = visit = evaluate


@dataclass(frozen=True)
class ChainScoring:
    """LF-MMI against the denominator graph in `den_fst`; `options` are nnet3-chain-compute-prob's."""

    den_fst: str
    options: tuple[str, ...] = ()
    prog: str = nnet3_chain_compute_prob.PROG
    source: str = "nnet-chain-diagnostics.cc"
    has_accuracy: bool = False

    @property
    def word(self) -> str:
        return shlex.join([*self.options, self.den_fst])

    def minibatches(
        self, rspecifier: str, nnet: Nnet, size: str, part: int = 0, parts: int = 1
    ) -> Iterator[Minibatch]:
        return stream_chain_minibatches(rspecifier, nnet, ChainStreamOptions(size, part=part, parts=parts))

    def evaluate(self, nnet: Nnet) -> Evaluate:
        return self._evaluate(nnet, True)

    def choose(self, nnet: Nnet) -> Evaluate:
        """Without output-xent, as in Kaldi."""
        return self._evaluate(nnet, False)

    def visit(self, nnet: Nnet) -> Evaluate:
        return with_xent(self._evaluate(nnet, False), nnet)

    def _evaluate(self, nnet: Nnet, xent: bool) -> ChainEvaluate:
        found, _, _ = parse(list(self.options), nnet3_chain_compute_prob.Options)
        found = found if xent else replace(found, xent_regularize=0.0)
        return chain_evaluate(found, nnet, self.den_fst, False, lambda m: warn(self.prog, m))


def scoring(word: str) -> Scoring:
    """The way to score that `word` stands for. Raises ValueError."""
    if word == FRAMES:
        return FrameScoring()
    *options, den_fst = shlex.split(word)
    return ChainScoring(den_fst, tuple(options))

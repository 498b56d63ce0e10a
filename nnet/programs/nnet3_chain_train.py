"""nnet3-chain-train: one job's LF-MMI training of a raw model on a stream of chain examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nnet.examples.chain import read_chain_minibatches
from nnet.examples.chain_stream import ChainStreamOptions, stream_chain_minibatches
from nnet.graph.network import Nnet
from nnet.minibatch import Minibatch
from nnet.objectives import Evaluate
from nnet.programs.chain_options import ChainObjectiveOptions, at_rate, chain_evaluate
from nnet.programs.program import log, option, run_program, warn
from nnet.programs.training import MergingOptions, TrainingOptions, train

PROG = "nnet3-chain-train"
USAGE = """
Train the parameters of an nnet3 network with the LF-MMI ("chain") objective, by stochastic gradient descent
with natural gradient. Examples are minibatches as nnet3-chain-merge-egs makes them, or single examples
together with the --egs options.

Usage:  nnet3-chain-train [options] <raw-model-in> <denominator-fst-in> <chain-examples-in> <raw-model-out>
e.g.:   nnet3-chain-train --xent-regularize=0.1 7.raw den.fst ark:merged.cegs 8.raw
"""


@dataclass
class Options(ChainObjectiveOptions, MergingOptions, TrainingOptions):
    """Options of nnet3-chain-train."""

    egs_frame_shift: int = option(
        0, "Add this to the times of inputs, as nnet3-chain-copy-egs does", name="egs.frame-shift"
    )

    apply_deriv_weights: bool = option(True, "Apply the weights of frames that are stored with the examples")


def main(argv: Sequence[str] | None = None) -> int:
    """Run nnet3-chain-train."""
    return run_program(USAGE, Options, run, (4, 4), argv)


def run(options: Options, model: str, den_fst: str, examples: str, output: str) -> int:
    """Train `model` on `examples` and write it to `output`; ValueError, and nothing written, if nothing was
    trained.
    """

    def minibatches(nnet: Nnet) -> Iterator[Minibatch]:
        return at_rate(found(nnet), den_fst, examples)

    def found(nnet: Nnet) -> Iterator[Minibatch]:
        if not options.egs_minibatch_size:
            return read_chain_minibatches(examples, nnet)
        how = ChainStreamOptions(
            options.egs_minibatch_size,
            options.egs_frame_shift,
            options.egs_shuffle_buffer_size,
            options.egs_srand,
        )
        return stream_chain_minibatches(examples, nnet, how, lambda line: log(PROG, line))

    def evaluate(nnet: Nnet) -> Evaluate:
        return chain_evaluate(
            options, nnet, den_fst, True, lambda m: warn(PROG, m), options.apply_deriv_weights
        )

    return train(PROG, options, (model, examples, output), minibatches, evaluate)


if __name__ == "__main__":
    raise SystemExit(main())

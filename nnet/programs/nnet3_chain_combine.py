"""nnet3-chain-combine: average the last n models, n chosen by the LF-MMI objective on chain examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnet.combination import combine
from nnet.examples.chain import read_chain_minibatches
from nnet.formats.model import read_nnet, write_nnet
from nnet.programs.chain_options import ChainObjectiveOptions, at_rate, chain_evaluate, with_xent
from nnet.programs.engine_options import ComputationOptions, ModelOutputOptions, stay_on_cpu
from nnet.programs.nnet3_average import read_alike
from nnet.programs.program import log, option, run_program, warn

PROG = "nnet3-chain-combine"
USAGE = """
Averages the first n of the models, with the n that scores best on the chain examples (part of the training
or of the held-out data). With the newest model first, these are the last n of training.

Usage:  nnet3-chain-combine [options] <den-fst> <nnet-in1> ... <nnet-inN> <chain-examples-in> <nnet-out>
e.g.:   nnet3-chain-combine den.fst 35.raw 34.raw 33.raw ark:valid.cegs final.raw
"""


@dataclass
class Options(ChainObjectiveOptions, ComputationOptions, ModelOutputOptions):
    """Options of nnet3-chain-combine."""

    max_objective_evaluations: int = option(30, "The largest number of objective evaluations")
    batchnorm_test_mode: bool = option(
        False, "Use batch-norm's stored statistics while evaluating objectives"
    )
    dropout_test_mode: bool = option(True, "Switch dropout off while evaluating objectives")


def main(argv: Sequence[str] | None = None) -> int:
    """Run nnet3-chain-combine."""
    return run_program(USAGE, Options, run, (4, None), argv)


def run(options: Options, *files: str) -> None:
    """Combine the models `files[1:-2]` on the examples `files[-2]` into `files[-1]`; files[0] is den.fst."""
    den_fst, *inputs, examples, output = files
    stay_on_cpu(options, PROG)
    first = read_nnet(inputs[0])
    evaluate = chain_evaluate(options, first, den_fst, False, lambda m: warn(PROG, m))
    batches = list(at_rate(read_chain_minibatches(examples, first), den_fst, examples))
    log(PROG, f"Read {len(batches)} examples.")
    best = combine(
        read_alike(inputs),
        batches,
        len(inputs),
        options.max_objective_evaluations,
        options.batchnorm_test_mode,
        options.dropout_test_mode,
        lambda line: log(PROG, line),
        evaluate,
        with_xent(evaluate, first),
    )
    write_nnet(best, output, options.binary)
    log(PROG, f"Finished combining neural nets, wrote model to {output}")


if __name__ == "__main__":
    raise SystemExit(main())

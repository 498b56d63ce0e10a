"""nnet3-chain-combine: average the last n models, n chosen by the LF-MMI objective on chain examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnet.examples.chain import read_chain_minibatches
from nnet.formats.model import read_nnet
from nnet.programs import nnet3_combine
from nnet.programs.chain_options import ChainObjectiveOptions, at_rate, chain_evaluate, with_xent
from nnet.programs.engine_options import stay_on_cpu
from nnet.programs.program import run_program, warn

PROG = "nnet3-chain-combine"
USAGE = """
Averages the first n of the models, with the n that scores best on the chain examples (part of the training
or of the held-out data). With the newest model first, these are the last n of training.

Usage:  nnet3-chain-combine [options] <den-fst> <nnet-in1> ... <nnet-inN> <chain-examples-in> <nnet-out>
e.g.:   nnet3-chain-combine den.fst 35.raw 34.raw 33.raw ark:valid.cegs final.raw
"""


@dataclass
class Options(ChainObjectiveOptions, nnet3_combine.Options):
    """Options of nnet3-chain-combine."""


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
    nnet3_combine.write_combined(PROG, options, inputs, batches, output, evaluate, with_xent(evaluate, first))


if __name__ == "__main__":
    raise SystemExit(main())

"""nnet3-combine: average the last n models, n chosen by the objective on examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnet.combination import combine
from nnet.examples.stream import read_minibatches
from nnet.formats.model import read_nnet, write_nnet
from nnet.minibatch import Minibatch
from nnet.objectives import Evaluate
from nnet.programs.engine_options import ComputationOptions, ModelOutputOptions, stay_on_cpu
from nnet.programs.nnet3_average import read_alike
from nnet.programs.program import log, option, run_program

PROG = "nnet3-combine"
USAGE = """
Averages the first n of the models, with the n that scores best on the examples (part of the training or of
the held-out data). With the newest model first, these are the last n of training.

Usage:  nnet3-combine [options] <nnet-in1> <nnet-in2> ... <nnet-inN> <examples-in> <nnet-out>
e.g.:   nnet3-combine 35.raw 34.raw 33.raw ark:valid.egs final.raw
"""


@dataclass
class Options(ComputationOptions, ModelOutputOptions):
    """Options of nnet3-combine."""

    max_objective_evaluations: int = option(30, "The largest number of objective evaluations")
    batchnorm_test_mode: bool = option(
        False, "Use batch-norm's stored statistics while evaluating objectives"
    )
    dropout_test_mode: bool = option(True, "Switch dropout off while evaluating objectives")


def main(argv: Sequence[str] | None = None) -> int:
    """Run nnet3-combine."""
    return run_program(USAGE, Options, run, (3, None), argv)


def run(options: Options, *files: str) -> None:
    """Combine the models `files[:-2]` on the examples `files[-2]` into `files[-1]`."""
    *inputs, examples, output = files
    stay_on_cpu(options, PROG)
    batches = list(read_minibatches(examples, read_nnet(inputs[0])))
    write_combined(PROG, options, inputs, batches, output)


def write_combined(
    prog: str,
    options: Options,
    inputs: Sequence[str],
    batches: Sequence[Minibatch],
    output: str,
    evaluate: Evaluate | None = None,
    recompute: Evaluate | None = None,
) -> None:
    """Combine the models `inputs` on `batches` into `output`; the objectives are those of nnet.combine."""
    log(prog, f"Read {len(batches)} examples.")
    best = combine(
        read_alike(inputs),
        batches,
        len(inputs),
        options.max_objective_evaluations,
        options.batchnorm_test_mode,
        options.dropout_test_mode,
        lambda line: log(prog, line),
        evaluate,
        recompute,
    )
    write_nnet(best, output, options.binary)
    log(prog, f"Finished combining neural nets, wrote model to {output}")


if __name__ == "__main__":
    raise SystemExit(main())

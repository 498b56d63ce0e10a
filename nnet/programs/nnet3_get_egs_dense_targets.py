"""nnet3-get-egs-dense-targets: features and real-valued targets, one row a frame, to training examples."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from nnet.formats.examples import EXAMPLE
from nnet.formats.kinds import GENERAL_MATRIX, MATRIX
from nnet.formats.tables import TableWriter, random_access, read_table
from nnet.programs.example_options import ChunkedExampleOptions, make_maker
from nnet.programs.program import log, option, run_program, warn

USAGE = """Cut utterances into chunks, examples for nnet3-train, whose targets are rows of matrices.

Usage:  nnet3-get-egs-dense-targets [options] <features-rspecifier> <targets-rspecifier> <egs-wspecifier>

e.g. nnet3-get-egs-dense-targets --num-targets=40 --left-context=5 --right-context=5 --num-frames=8 \\
  scp:noisy.scp scp:clean.scp ark:1.egs
"""
PROG = "nnet3-get-egs-dense-targets"


@dataclass
class Options(ChunkedExampleOptions):
    """Options of nnet3-get-egs-dense-targets."""

    num_targets: int = option(-1, "If >0, the number of columns that the targets must have")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    return run_program(USAGE, Options, run, (3, 3), argv)


def run(options: Options, features: str, matrices: str, examples: str) -> int:
    """Write the examples; 1 if there are none."""
    dim = options.num_targets if options.num_targets > 0 else None
    maker = make_maker(options, dim, PROG, "target matrix")
    ivectors = options.online_ivectors or options.ivectors
    with (
        random_access(matrices, MATRIX) as targets,
        random_access(ivectors, MATRIX) if ivectors else nullcontext() as ivector_table,
        TableWriter(examples, EXAMPLE) as writer,
    ):
        for key, eg in maker.stream(read_table(features, GENERAL_MATRIX), targets, ivector_table):
            writer.write(key, eg)
    if errors := maker.counts.problems + maker.counts.too_short:  # here Kaldi counts these too
        warn(PROG, f"{errors} utterances had errors and could not be processed.")
    for line in maker.splitter.summary():
        log(PROG, line)
    return 0 if maker.splitter.frames_in_chunks else 1


if __name__ == "__main__":
    raise SystemExit(main())

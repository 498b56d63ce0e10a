"""nnet3-get-egs: features and posteriors of pdfs to training examples."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from nnet.formats.examples import EXAMPLE
from nnet.formats.kinds import GENERAL_MATRIX, MATRIX, POSTERIOR
from nnet.formats.tables import TableWriter, random_access, read_table
from nnet.programs.example_options import ChunkedExampleOptions, make_maker
from nnet.programs.program import log, option, run_program, warn

USAGE = """Cut utterances into chunks, examples for nnet3-train, whose targets are posteriors of pdfs.

Usage:  nnet3-get-egs [options] <features-rspecifier> <pdf-post-rspecifier> <egs-wspecifier>

e.g. nnet3-get-egs --num-pdfs=120 --left-context=5 --right-context=5 --num-frames=8 scp:feats.scp \\
  "ark:ali-to-pdf final.mdl ark:1.ali ark:- | ali-to-post ark:- ark:- |" ark:1.egs
"""
PROG = "nnet3-get-egs"


@dataclass
class Options(ChunkedExampleOptions):
    """Options of nnet3-get-egs."""

    num_pdfs: int = option(-1, "Number of pdfs in the acoustic model (required)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    return run_program(USAGE, Options, get_egs, (3, 3), argv)


def get_egs(options: Options, features: str, posteriors: str, examples: str) -> int:
    """Write the examples; 1 if there are none."""
    if options.num_pdfs <= 0:
        raise ValueError("--num-pdfs=N is required: the number of pdfs in the acoustic model")
    maker = make_maker(options, options.num_pdfs, PROG)
    ivectors = options.online_ivectors or options.ivectors
    with (
        random_access(posteriors, POSTERIOR) as targets,
        random_access(ivectors, MATRIX) if ivectors else nullcontext() as ivector_table,
        TableWriter(examples, EXAMPLE) as writer,
    ):
        for key, eg in maker.stream(read_table(features, GENERAL_MATRIX), targets, ivector_table):
            writer.write(key, eg)
    if maker.counts.problems:
        warn(PROG, f"{maker.counts.problems} utterances had errors and could not be processed.")
    for line in maker.splitter.summary():
        log(PROG, line)
    return 0 if maker.splitter.frames_in_chunks else 1


if __name__ == "__main__":
    raise SystemExit(main())

"""nnet3-get-egs: features and posteriors of pdfs to training examples."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from nnet.examples.make import ExampleMaker, MakeOptions
from nnet.examples.split import ChunkOptions
from nnet.formats.examples import EXAMPLE
from nnet.formats.kinds import GENERAL_MATRIX, MATRIX, POSTERIOR
from nnet.formats.tables import TableWriter, random_access, read_table
from nnet.programs.program import log, option, run_program, warn

USAGE = """Get frame-by-frame examples of data for nnet3 neural network training.

Usage:  nnet3-get-egs [options] <features-rspecifier> <pdf-post-rspecifier> <egs-wspecifier>

e.g. nnet3-get-egs --num-pdfs=2658 --left-context=12 --right-context=9 --num-frames=8 "$feats" \\
  "ark:gunzip -c exp/nnet/ali.1.gz | ali-to-pdf exp/nnet/1.nnet ark:- ark:- | ali-to-post ark:- ark:- |" ark:-
"""
PROG = "nnet3-get-egs"


@dataclass
class Options:
    """Options of nnet3-get-egs."""

    compress: bool = option(
        True, "If true, write features in compressed form (compressed ones always stay so)"
    )
    num_pdfs: int = option(-1, "Number of pdfs in the acoustic model (required)")
    ivectors: str = option("", "Alias of --online-ivectors")
    online_ivectors: str = option("", "Rspecifier of i-vectors, a matrix for each utterance")
    online_ivector_period: int = option(1, "Number of frames between the rows of --online-ivectors")
    length_tolerance: int = option(100, "Tolerated difference in frames between features and i-vectors")
    targets_length_tolerance: int = option(
        2, "Tolerated difference in frames (after subsampling) between features and posteriors"
    )
    left_context: int = option(0, "Frames of left context of the features in each example")
    right_context: int = option(0, "Frames of right context of the features in each example")
    left_context_initial: int = option(-1, "Left context at the start of an utterance (<0: --left-context)")
    right_context_final: int = option(-1, "Right context at the end of an utterance (<0: --right-context)")
    num_frames: str = option(
        "1", "Labelled frames in an example: principal number, then alternatives; -1: whole utterances"
    )
    num_frames_overlap: int = option(0, "Overlap of neighbouring examples of principal size, in frames")
    frame_subsampling_factor: int = option(1, "Input frames per labelled frame")
    srand: int = option(0, "Seed of the random choices (chunk sizes, gaps, i-vectors)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    return run_program(USAGE, Options, get_egs, (3, 3), argv)


def get_egs(options: Options, features: str, posteriors: str, examples: str) -> int:
    """Write the examples; 1 if there are none."""
    maker = make_maker(options)
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


def make_maker(options: Options) -> ExampleMaker:
    """What makes the examples. Raises ValueError for options without sense."""
    if options.num_pdfs <= 0:
        raise ValueError("--num-pdfs=N is required: the number of pdfs in the acoustic model")
    chunk_options = ChunkOptions(
        **{name: getattr(options, name) for name in ChunkOptions.__dataclass_fields__}
    )
    sizes = ",".join(map(str, chunk_options.sizes()))
    if sizes and sizes != options.num_frames:
        log(
            PROG,
            f"Rounding up --num-frames={options.num_frames} to multiples of "
            f"--frame-subsampling-factor={options.frame_subsampling_factor}, to: {sizes}",
        )
    return ExampleMaker(
        MakeOptions(
            chunks=chunk_options,
            dim=options.num_pdfs,
            compress=options.compress,
            ivector_period=options.online_ivector_period,
            ivector_length_tolerance=options.length_tolerance,
            targets_length_tolerance=options.targets_length_tolerance,
        ),
        np.random.default_rng(options.srand),
        lambda message: warn(PROG, message),
    )


if __name__ == "__main__":
    raise SystemExit(main())

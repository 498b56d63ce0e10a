"""Options of the programs that cut utterances into training examples, and what makes the examples by them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnet.examples.make import ExampleMaker, MakeOptions
from nnet.examples.split import ChunkOptions
from nnet.programs.program import log, option, warn


@dataclass
class CuttingOptions:
    """What all programs share that cut utterances into examples."""

    compress: bool = option(
        True, "If true, write features in compressed form (compressed ones always stay so)"
    )
    ivectors: str = option("", "Alias of --online-ivectors")
    online_ivectors: str = option("", "Rspecifier of i-vectors, a matrix for each utterance")
    online_ivector_period: int = option(1, "Number of frames between the rows of --online-ivectors")
    length_tolerance: int = option(100, "Tolerated difference in frames between features and i-vectors")
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


@dataclass
class ChunkedExampleOptions(CuttingOptions):
    """What nnet3-get-egs and nnet3-get-egs-dense-targets share."""

    targets_length_tolerance: int = option(
        2, "Tolerated difference in frames (after subsampling) between features and targets"
    )


def make_maker(
    options: ChunkedExampleOptions, dim: int | None, prog: str, target_name: str = "pdf-level posterior"
) -> ExampleMaker:
    """What makes the examples, with targets of `dim` columns. Raises ValueError for options without sense."""
    return ExampleMaker(
        make_options(options, dim, prog, options.targets_length_tolerance, target_name),
        np.random.default_rng(options.srand),
        lambda message: warn(prog, message),
    )


def make_options(
    options: CuttingOptions,
    dim: int | None,
    prog: str,
    tolerance: int,
    target_name: str = "pdf-level posterior",
) -> MakeOptions:
    """The same as options of the library; says so if numbers of frames are rounded up."""
    chunk_options = ChunkOptions(
        **{name: getattr(options, name) for name in ChunkOptions.__dataclass_fields__}
    )
    sizes = ",".join(map(str, chunk_options.sizes()))
    if sizes and sizes != options.num_frames:
        log(
            prog,
            f"Rounding up --num-frames={options.num_frames} to multiples of "
            f"--frame-subsampling-factor={options.frame_subsampling_factor}, to: {sizes}",
        )
    return MakeOptions(
        chunks=chunk_options,
        dim=dim,
        compress=options.compress,
        ivector_period=options.online_ivector_period,
        ivector_length_tolerance=options.length_tolerance,
        targets_length_tolerance=tolerance,
        target_name=target_name,
    )

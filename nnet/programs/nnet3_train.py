"""nnet3-train: one job's training of a raw model on a stream of examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nnet.examples.stream import StreamOptions, read_minibatches, stream_minibatches
from nnet.graph.network import Nnet
from nnet.minibatch import Minibatch
from nnet.programs.nnet3_egs_augment_image import image_changer
from nnet.programs.program import log, option, run_program
from nnet.programs.training import MergingOptions, TrainingOptions, train

PROG = "nnet3-train"
USAGE = """
Train the parameters of an nnet3 network by stochastic gradient descent with natural gradient. Examples are
minibatches as nnet3-merge-egs makes them, or single examples together with the --egs options.

Usage:  nnet3-train [options] <raw-model-in> <training-examples-in> <raw-model-out>
e.g.:   nnet3-train --momentum=0.5 7.raw 'ark:nnet3-merge-egs ark:egs.7.ark ark:-|' 8.raw
        nnet3-train --egs.frame=3 --egs.minibatch-size=512 1.raw ark:egs.7.ark 2.raw
"""


@dataclass
class Options(MergingOptions, TrainingOptions):
    """Options of nnet3-train."""

    egs_frame: int = option(
        -1, "Keep only this labelled frame of each example; -1 keeps all", name="egs.frame"
    )
    egs_augment_image: str = option(
        "", "Options of nnet3-egs-augment-image, to change images before merging", name="egs.augment-image"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run nnet3-train."""
    return run_program(USAGE, Options, run, (3, 3), argv)


def run(options: Options, model: str, examples: str, output: str) -> int:
    """Train `model` on `examples` and write it to `output`; ValueError, and nothing written, if nothing was
    trained.
    """
    return train(PROG, options, (model, examples, output), lambda nnet: minibatches(options, examples, nnet))


def minibatches(options: Options, examples: str, nnet: Nnet) -> Iterator[Minibatch]:
    """The minibatches of a table of merged examples, or of single ones copied, shuffled and merged on the
    way.
    """
    if not options.egs_minibatch_size:
        return read_minibatches(examples, nnet)
    how = StreamOptions(
        frame=options.egs_frame,
        shuffle_buffer_size=options.egs_shuffle_buffer_size,
        srand=options.egs_srand,
        minibatch_size=options.egs_minibatch_size,
        change=image_changer(options.egs_augment_image) if options.egs_augment_image else None,
    )
    return stream_minibatches(examples, nnet, how, lambda line: log(PROG, line))


if __name__ == "__main__":
    raise SystemExit(main())

"""nnet3-train: one job's training of a raw model on a stream of examples."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from nnet import tree
from nnet.combine import check_finite
from nnet.device import select_gpu
from nnet.examples.stream import StreamOptions, read_minibatches, stream_minibatches
from nnet.files import atomic_write
from nnet.formats.model import read_nnet, write_nnet
from nnet.graph.network import Nnet
from nnet.minibatch import Minibatch
from nnet.observe import Observer
from nnet.programs.engine_options import ComputationOptions, ModelOutputOptions
from nnet.programs.nnet3_egs_augment_image import image_changer
from nnet.programs.program import log, option, run_program
from nnet.trainer import Trainer, TrainerOptions

PROG = "nnet3-train"
USAGE = """
Train the parameters of an nnet3 network by stochastic gradient descent with natural gradient. Examples are
minibatches as nnet3-merge-egs makes them, or single examples together with the --egs options.

Usage:  nnet3-train [options] <raw-model-in> <training-examples-in> <raw-model-out>
e.g.:   nnet3-train 1.raw 'ark:nnet3-merge-egs ark:1.egs ark:-|' 2.raw
        nnet3-train --egs.frame=3 --egs.minibatch-size=512 1.raw ark:egs.7.ark 2.raw
"""


@dataclass
class Options(ComputationOptions, ModelOutputOptions):
    """Options of nnet3-train."""

    srand: int = option(0, "Seed for the random number generators")
    zero_component_stats: bool = option(True, "Zero the statistics of the components before training")
    store_component_stats: bool = option(True, "Store statistics of the non-linearities while training")
    print_interval: int = option(100, "Number of minibatches after which the objective is printed")
    max_param_change: float = option(
        2.0, "Largest Euclidean change of all parameters per minibatch; 0: no limit"
    )
    momentum: float = option(0.0, "Momentum; the learning rate is corrected for it by a factor 1 - momentum")
    l2_regularize_factor: float = option(
        1.0, "Factor on the components' l2-regularize, 1/jobs when models are averaged"
    )
    batchnorm_stats_scale: float = option(
        0.8, "Factor on accumulated batch-norm statistics after each minibatch"
    )
    backstitch_training_scale: float = option(0.0, "Backstitch: the size of the step back; 0 is off")
    backstitch_training_interval: int = option(1, "Backstitch every so many minibatches")
    max_bad_minibatches: int = option(10, "So many minibatches in a row that are not finite end the job")
    deterministic: bool = option(True, "The same command gives the same bits (the CPU always does)")
    read_cache: str = option("", "accepted for compatibility; plans are made in milliseconds")
    write_cache: str = option("", "accepted for compatibility; nothing is written")
    binary_write_cache: bool = option(True, "accepted for compatibility")
    write_stats: str = option("", "JSON file for the norms behind the regularization table")
    egs_frame: int = option(
        -1, "Keep only this labelled frame of each example; -1 keeps all", name="egs.frame"
    )
    egs_shuffle_buffer_size: int = option(
        -1, "Shuffle in a buffer of so many examples; 0: all; -1: off", name="egs.shuffle-buffer-size"
    )
    egs_srand: int = option(0, "Seed of the shuffling", name="egs.srand")
    egs_minibatch_size: str = option(
        "", "Merge examples by this rule of nnet3-merge-egs", name="egs.minibatch-size"
    )
    egs_augment_image: str = option(
        "", "Options of nnet3-egs-augment-image, to change images before merging", name="egs.augment-image"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run nnet3-train."""
    return run_program(USAGE, Options, run, (3, 3), argv)


def run(options: Options, model: str, examples: str, output: str) -> int:
    """Train `model` on `examples` and write it to `output`; status 1, and nothing written, if nothing was
    trained.
    """
    trainer_options = TrainerOptions(
        seed=options.srand,
        **{f.name: getattr(options, f.name) for f in fields(TrainerOptions) if f.name != "seed"},
    )
    on_gpu = select_gpu(options.use_gpu, lambda line: log(PROG, line))
    nnet = read_nnet(model)
    if on_gpu:
        nnet.components.update({name: tree.on_device(c) for name, c in nnet.components.items()})
    observer = Observer(options.l2_regularize_factor)
    trainer = Trainer(nnet, trainer_options, lambda line: log(PROG, line))
    check_finite(nnet, model)
    if options.write_stats:
        observer.begin(nnet)
        trainer.observe = observer.observe
    for batch in minibatches(options, examples, nnet):
        trainer.step(batch)
    if not trainer.finish():
        why = "every minibatch was skipped" if trainer.num_skipped else "no labelled frame to train on"
        raise ValueError(f"{examples}: {why}, so {output} was not written")
    if options.write_stats:
        with atomic_write(options.write_stats, text=True) as stream:
            json.dump(observer.finish(nnet, trainer.max_change), stream, indent=1)
    if on_gpu:
        nnet.components.update({name: tree.on_host(c) for name, c in nnet.components.items()})
    write_nnet(nnet, output, options.binary)
    log(PROG, f"Wrote model to {output}")
    return 0


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

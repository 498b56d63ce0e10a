"""What nnet3-train and nnet3-chain-train share: the options of training, and one job from model to model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, fields

from nnet import tree
from nnet.combination import check_finite
from nnet.device import allow_tf32, own_stream, select_gpu
from nnet.files import atomic_write
from nnet.formats.model import read_nnet, write_nnet
from nnet.graph.network import Nnet
from nnet.minibatch import Minibatch
from nnet.objectives import Evaluate, PerOutput
from nnet.observe import Observer
from nnet.programs.engine_options import ComputationOptions, ModelOutputOptions
from nnet.programs.program import log, option
from nnet.trainer import Trainer, TrainerOptions
from nnet.upload import uploaded


@dataclass
class TrainingOptions(ComputationOptions, ModelOutputOptions):
    """Options of training, whatever the examples."""

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
    cuda_graphs: bool = option(
        False, "On a GPU, launch the work on a minibatch at once, as a CUDA graph, where that can be done"
    )
    deterministic: bool = option(True, "The same command gives the same bits (the CPU always does)")
    read_cache: str = option("", "accepted for compatibility; plans are made in milliseconds")
    write_cache: str = option("", "accepted for compatibility; nothing is written")
    binary_write_cache: bool = option(True, "accepted for compatibility")
    write_stats: str = option("", "JSON file for the norms behind the regularization table")


@dataclass
class MergingOptions:
    """Options for shuffling and merging single examples on the way."""

    egs_shuffle_buffer_size: int = option(
        -1, "Shuffle in a buffer of so many examples; 0: all; -1: off", name="egs.shuffle-buffer-size"
    )
    egs_srand: int = option(0, "Seed of the shuffling", name="egs.srand")
    egs_minibatch_size: str = option(
        "", "Merge examples by this rule of the merging program", name="egs.minibatch-size"
    )


def train(
    prog: str,
    options: TrainingOptions,
    files: tuple[str, str, str],
    minibatches: Callable[[Nnet], Iterator[Minibatch]],
    evaluate: Callable[[Nnet], Evaluate] = lambda nnet: PerOutput(),
) -> int:
    """Train the model files[0] on the `minibatches` of files[1] and write it to files[2].

    Raises ValueError, and writes nothing, if nothing was trained.
    """
    model, examples, output = files
    trainer_options = TrainerOptions(
        seed=options.srand,
        **{f.name: getattr(options, f.name) for f in fields(TrainerOptions) if f.name != "seed"},
    )
    on_gpu = select_gpu(options.use_gpu, lambda line: log(prog, line))
    nnet = read_nnet(model)
    objective = evaluate(nnet)
    if on_gpu:
        nnet.components.update({name: tree.on_device(c) for name, c in nnet.components.items()})
        if options.cuda_use_tf32:
            allow_tf32(True)
    observer = Observer(options.l2_regularize_factor)
    trainer = Trainer(nnet, trainer_options, lambda line: log(prog, line), evaluate=objective)
    check_finite(nnet, model)
    if options.write_stats:
        observer.begin(nnet)
        trainer.observe = observer
    with own_stream() if on_gpu else nullcontext():
        batches = minibatches(nnet)
        for batch in uploaded(batches) if on_gpu else batches:
            trainer.step(batch)
        trained = trainer.finish()
    if not trained:
        why = "every minibatch was skipped" if trainer.num_skipped else "no labelled frame to train on"
        raise ValueError(f"{examples}: {why}, so {output} was not written")
    if options.write_stats:
        with atomic_write(options.write_stats, text=True) as stream:
            json.dump(observer.finish(nnet, trainer.max_change), stream, indent=1)
    if on_gpu:
        nnet.components.update({name: tree.on_host(c) for name, c in nnet.components.items()})
    write_nnet(nnet, output, options.binary)
    log(prog, f"Wrote model to {output}")
    return 0

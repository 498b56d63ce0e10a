"""What differs between the ways to train: how a job reads examples, which program trains, how models are
scored. The loop is the same.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Protocol

from nnet.graph.network import Nnet
from steps.egs_dir import Examples
from steps.saturation import shrink
from steps.schedule import Iteration, Share
from steps.scoring import FrameScoring, Scoring
from steps.train_options import ChunkOptions, CommonOptions, SingleFrameOptions


class Method(Protocol):
    """One way to train: frame by frame, by chunks, with the chain objective."""

    @property
    def program(self) -> str:
        """The module of the training program."""

    @property
    def scoring(self) -> Scoring:
        """How models are scored."""

    def arguments(self, iteration: Iteration, share: Share) -> list[str]:
        """Options of one job beyond the common ones."""

    def files(self, share: Share) -> list[str]:
        """What the program reads after the model: the examples last."""

    def backstitch_scale(self, iteration: Iteration) -> float:
        """The size of backstitch's step back in an iteration."""

    def subset(self, name: str) -> str:
        """Rspecifier of the examples `combine`, `valid_diagnostic`, `train_diagnostic`."""

    def shrink(self, iteration: Iteration, nnet: Nnet) -> float:
        """The factor on the parameters of `nnet` before an iteration."""


@dataclass(frozen=True)
class FrameByFrame:
    """One labelled frame of every example per pass over the archives (train_dnn.py, train_raw_dnn.py)."""

    examples: Examples
    options: SingleFrameOptions
    program: str = "nnet.programs.nnet3_train"
    scoring: Scoring = FrameScoring()  # noqa: RUF009 - frozen

    def arguments(self, iteration: Iteration, share: Share) -> list[str]:
        """Copying, shuffling and merging happen inside nnet3-train; of multitask examples only the latter
        two.
        """
        chosen = [] if self.examples.multitask else [f"--egs.frame={share.pick}"]
        augmentation = getattr(self.options, "image_augmentation_opts", None)
        if augmentation:
            chosen.append(f"--egs.augment-image=--srand={share.index + self.options.srand} {augmentation}")
        return [*chosen, *merging(self.options, iteration)]

    def files(self, share: Share) -> list[str]:
        """The archive; of multitask examples the labelled frame is chosen on the way."""
        return [self.examples.archive(share.archive, f"--frame={share.pick}")]

    def backstitch_scale(self, iteration: Iteration) -> float:
        """What is given."""
        return self.options.backstitch_scale

    def subset(self, name: str) -> str:
        """A table beside the training examples."""
        return self.examples.subset(name)

    def shrink(self, iteration: Iteration, nnet: Nnet) -> float:
        """What --proportional-shrink gives."""
        return iteration.shrink


@dataclass(frozen=True)
class Chunks:
    """Whole examples (train_rnn.py, train_raw_rnn.py); contexts are the model's, in frames."""

    examples: Examples
    options: ChunkOptions
    left_context: int
    right_context: int
    program: str = "nnet.programs.nnet3_train"
    scoring: Scoring = FrameScoring()  # noqa: RUF009 - frozen

    def arguments(self, iteration: Iteration, share: Share) -> list[str]:
        """Derivatives go `deriv_truncate_margin` frames further than the frames that a chunk needs."""
        limits = deriv_limits(self.options.deriv_truncate_margin, self.left_context, self.right_context)
        return [*limits, *merging(self.options, iteration)]

    def files(self, share: Share) -> list[str]:
        """The archive."""
        return [self.examples.archive(share.archive)]

    def backstitch_scale(self, iteration: Iteration) -> float:
        """What is given."""
        return self.options.backstitch_scale

    def subset(self, name: str) -> str:
        """A table beside the training examples."""
        return self.examples.subset(name)

    def shrink(self, iteration: Iteration, nnet: Nnet) -> float:
        """--shrink-value for saturated networks."""
        value, threshold = self.options.shrink_value, self.options.shrink_saturation_threshold
        raw = self.options.suffix == "raw"
        return shrink(iteration.shrink, value, threshold, nnet, iteration.number, raw)


def deriv_limits(margin: int, left_context: int, right_context: int) -> list[str]:
    """Options that keep derivatives within `margin` frames around those that a chunk needs."""
    return [
        f"--optimization.min-deriv-time={-margin - left_context}",
        f"--optimization.max-deriv-time-relative={margin + right_context}",
    ]


def merging(options: CommonOptions, iteration: Iteration) -> list[str]:
    """Options for shuffling and merging examples on the way."""
    return [
        f"--egs.shuffle-buffer-size={options.shuffle_buffer_size}",
        f"--egs.srand={options.srand + iteration.number}",
        f"--egs.minibatch-size={iteration.minibatch_size}",
    ]


def common_arguments(options: CommonOptions, iteration: Iteration, backstitch_scale: float) -> list[str]:
    """Options of the training program that every job of an iteration has."""
    further = [word for text in options.add_option for word in shlex.split(text)]
    return [
        f"--use-gpu={gpu_word(options.use_gpu)}",
        *(["--cuda-use-tf32=true"] if options.cuda_tf32 else []),
        *(["--cuda-graphs=true"] if options.cuda_graphs else []),
        "--print-interval=10",
        f"--momentum={options.momentum}",
        f"--max-param-change={iteration.max_param_change}",
        f"--backstitch-training-scale={backstitch_scale}",
        f"--l2-regularize-factor={iteration.l2_factor}",
        f"--backstitch-training-interval={options.backstitch_interval}",
        f"--srand={options.srand + iteration.number}",
        *further,
    ]


def gpu_word(use_gpu: str) -> str:
    """--use-gpu as the programs take it."""
    return {"true": "yes", "false": "no"}.get(use_gpu, use_gpu)

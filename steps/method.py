"""What differs between the ways to train: how a job reads examples and which program trains. The loop is
the same.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Protocol

from nnet.graph.network import Nnet
from steps.egs_dir import Examples
from steps.saturation import shrink
from steps.schedule import Iteration, Share
from steps.train_options import ChunkOptions, CommonOptions, SingleFrameOptions


class Method(Protocol):
    """One way to train: frame by frame, by chunks, with the chain objective."""

    @property
    def program(self) -> str:
        """The module of the training program."""

    def arguments(self, iteration: Iteration, share: Share) -> list[str]:
        """Options and examples for one job, between the common options and the output model."""

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

    def arguments(self, iteration: Iteration, share: Share) -> list[str]:
        """Copying, shuffling and merging happen inside nnet3-train; of multitask examples only the latter
        two.
        """
        if self.examples.multitask:
            chosen, examples = [], self.examples.archive(share.archive, share.pick)
        else:
            chosen, examples = [f"--egs.frame={share.pick}"], self.examples.archive(share.archive)
        augmentation = getattr(self.options, "image_augmentation_opts", None)
        if augmentation:
            chosen.append(f"--egs.augment-image=--srand={share.index + self.options.srand} {augmentation}")
        return [*chosen, *_merging(self.options, iteration), examples]

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

    def arguments(self, iteration: Iteration, share: Share) -> list[str]:
        """Derivatives go `deriv_truncate_margin` frames further than the frames that a chunk needs."""
        margin = self.options.deriv_truncate_margin
        return [
            f"--optimization.min-deriv-time={-margin - self.left_context}",
            f"--optimization.max-deriv-time-relative={margin + self.right_context}",
            *_merging(self.options, iteration),
            self.examples.archive(share.archive),
        ]

    def subset(self, name: str) -> str:
        """A table beside the training examples."""
        return self.examples.subset(name)

    def shrink(self, iteration: Iteration, nnet: Nnet) -> float:
        """--shrink-value for saturated networks."""
        value, threshold = self.options.shrink_value, self.options.shrink_saturation_threshold
        raw = self.options.suffix == "raw"
        return shrink(iteration.shrink, value, threshold, nnet, iteration.number, raw)


def _merging(options: CommonOptions, iteration: Iteration) -> list[str]:
    return [
        f"--egs.shuffle-buffer-size={options.shuffle_buffer_size}",
        f"--egs.srand={options.srand + iteration.number}",
        f"--egs.minibatch-size={iteration.minibatch_size}",
    ]


def common_arguments(options: CommonOptions, iteration: Iteration) -> list[str]:
    """Options of the training program that every job of an iteration has."""
    further = [word for text in options.add_option for word in shlex.split(text)]
    return [
        f"--use-gpu={gpu_word(options.use_gpu)}",
        "--print-interval=10",
        f"--momentum={options.momentum}",
        f"--max-param-change={iteration.max_param_change}",
        f"--backstitch-training-scale={options.backstitch_scale}",
        f"--l2-regularize-factor={iteration.l2_factor}",
        f"--backstitch-training-interval={options.backstitch_interval}",
        f"--srand={options.srand + iteration.number}",
        *further,
    ]


def gpu_word(use_gpu: str) -> str:
    """--use-gpu as the programs take it."""
    return {"true": "yes", "false": "no"}.get(use_gpu, use_gpu)

"""What differs between the ways to train: how a job reads examples and which program trains. The loop is
the same.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from steps.schedule import Iteration, Share
from steps.train_options import CommonOptions


class Method(Protocol):
    """One way to train: frame by frame, by chunks, with the chain objective."""

    @property
    def program(self) -> str:
        """The module of the training program."""

    @property
    def picks(self) -> int:
        """Passes over the archives per epoch."""

    def arguments(self, iteration: Iteration, share: Share) -> list[str]:
        """Options and examples for one job, between the common options and the output model."""

    def subset(self, egs: Path, name: str) -> str:
        """Where the examples `combine`, `valid_diagnostic`, `train_diagnostic` lie."""


@dataclass(frozen=True)
class FrameByFrame:
    """One labelled frame of every example per pass over the archives (train_dnn.py)."""

    egs: Path
    frames_per_eg: int
    options: CommonOptions
    program: str = "nnet.programs.nnet3_train"

    @property
    def picks(self) -> int:
        return self.frames_per_eg

    def arguments(self, iteration: Iteration, share: Share) -> list[str]:
        """Copying, shuffling and merging happen inside nnet3-train."""
        return [
            f"--egs.frame={share.pick}",
            f"--egs.shuffle-buffer-size={self.options.shuffle_buffer_size}",
            f"--egs.srand={self.options.srand + iteration.number}",
            f"--egs.minibatch-size={iteration.minibatch_size}",
            f"ark:{self.egs / f'egs.{share.archive}.ark'}",
        ]

    def subset(self, egs: Path, name: str) -> str:
        """An archive beside the training examples."""
        return str(egs / f"{name}.egs")


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

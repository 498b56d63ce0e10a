"""What recipes can be told on their command lines; whatever is wrong there is said in one line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line, with exit status 1."""

    def __init__(self, description: str):
        super().__init__(
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            usage=argparse.SUPPRESS,
        )

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave."""
        print(f"error: {message}; --help lists the options", file=sys.stderr)
        raise SystemExit(1)

    def add_training(self, num_epochs: float, jobs: int = 2, seed: int = 0) -> None:
        """What every training can be told, with these values unless told."""
        text = f"passes over the data ({num_epochs:g})"
        self.add_argument("--num-epochs", type=positive, default=num_epochs, help=text)
        text = f"parallel training jobs, whose models are averaged ({jobs})"
        self.add_argument("--jobs", type=count, default=jobs, help=text)
        self.add_argument("--seed", type=int, default=seed, help=f"of all that is random ({seed})")
        self.add_argument("--use-gpu", choices=("optional", "yes", "no"), default="optional")

    def add_l2(self, name: str, default: float, layers: str) -> None:
        """An L2 constant `--name` of these layers."""
        self.add_argument(
            f"--{name}", type=at_least_zero, default=default, help=f"l2-regularize of {layers} ({default:g})"
        )

    def add_folder(self, default: str) -> None:
        """Where everything goes."""
        self.add_argument(
            "--dir", type=Path, default=Path(default), help=f"where everything goes ({default})"
        )

    def add_decode(self) -> None:
        """Whether the test set is recognised."""
        self.add_argument(
            "--decode", action=argparse.BooleanOptionalAction, default=True, help="recognise the test set"
        )


def positive(text: str) -> float:
    """The type of an option that must be greater than 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not greater than 0")
    return value


def count(text: str) -> int:
    """The type of an option that must be a whole number, at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


def at_least_zero(text: str) -> float:
    """The type of an option that must not be negative."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is negative or not finite")
    return value

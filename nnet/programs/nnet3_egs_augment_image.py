"""nnet3-egs-augment-image: copies examples, shifting, flipping and rotating the image in each at random."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nnet.examples.images import Augmentation, augmented
from nnet.formats.examples import EXAMPLE, NnetExample
from nnet.formats.tables import TableWriter, read_table
from nnet.programs.options import parse
from nnet.programs.program import log, option, run_program

USAGE = """Copy examples, changing the image in each at random.

Usage:  nnet3-egs-augment-image [options] <egs-rspecifier> <egs-wspecifier>
e.g. nnet3-egs-augment-image --num-channels=3 --rotation-prob=0.3 --rotation-degree=10 \\
  --horizontal-shift=0.08 --fill-mode=reflect ark:train.egs ark:changed.egs

Each example needs an input named 'input': its frames are the x of the image, its columns the y and, varying
fastest, the channel (colour).
"""
PROG = "nnet3-egs-augment-image"


@dataclass
class Options:
    """Options of nnet3-egs-augment-image."""

    srand: int = option(0, "Seed for the random number generator")
    num_channels: int = option(1, "Number of colours in the image; needed to understand its columns")
    horizontal_flip_prob: float = option(0.0, "Probability of a horizontal flip")
    horizontal_shift: float = option(0.0, "Largest horizontal shift as a part of the width")
    vertical_shift: float = option(0.0, "Largest vertical shift as a part of the height")
    rotation_degree: float = option(0.0, "Largest rotation in degrees")
    rotation_prob: float = option(0.0, "Probability of a rotation")
    fill_mode: str = option("nearest", "What stands for points outside the image: nearest or reflect")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    return run_program(USAGE, Options, run, (2, 2), argv)


def settings(options: Options) -> Augmentation:
    """How images are changed. Raises ValueError for options without sense."""
    return Augmentation(**{name: getattr(options, name) for name in Augmentation.__dataclass_fields__})


def run(options: Options, examples: str, target: str) -> int:
    """Write the changed examples; 1 if there are none."""
    how = settings(options)
    rng = np.random.default_rng(options.srand)
    done = 0
    with TableWriter(target, EXAMPLE) as writer:
        for key, eg in read_table(examples, EXAMPLE):
            try:
                writer.write(key, augmented(eg, how, rng))
            except ValueError as error:
                raise ValueError(f"example {key} {error}") from None
            done += 1
    log(PROG, f"Perturbed {done} neural-network training images.")
    return 0 if done else 1


def image_changer(text: str) -> Callable[[NnetExample], NnetExample]:
    """What this program does to an example, its options being `text`. Raises ValueError for wrong ones."""
    try:
        options, _, rest = parse(shlex.split(text), Options)
        if rest:
            raise ValueError(f"unexpected {rest[0]!r}")
        how = settings(options)
    except ValueError as error:
        raise ValueError(f"images cannot be changed by {text!r}: {error}") from error
    rng = np.random.default_rng(options.srand)
    return lambda eg: augmented(eg, how, rng)


if __name__ == "__main__":
    raise SystemExit(main())

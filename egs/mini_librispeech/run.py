"""Mini LibriSpeech, the nnet3 part: a TDNN on alignments, features and i-vectors that Kaldi's run.sh made.

usage: python -m egs.mini_librispeech.run --s5 KALDI/egs/mini_librispeech/s5 [--dir DIR] [--dry-run] [options]

For people who ran Kaldi's stages up to tri3b and the i-vectors. --dry-run only shows the commands.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from egs import recipe
from egs.arguments import count
from egs.mini_librispeech.places import frame_places
from egs.mini_librispeech.training import Training, carry_out, parser

TRAINING = Training(
    script="steps.train_dnn",
    network="tdnn",
    folder="exp/nnet3/tdnn_sp",
    settings={
        "stage": -10,
        "feat.cmvn-opts": "--norm-means=false --norm-vars=false",
        "trainer.max-param-change": 2.0,
        "trainer.samples-per-iter": 100000,
        "trainer.optimization.num-jobs-initial": 1,
        "trainer.optimization.initial-effective-lrate": 0.0015,
        "trainer.optimization.final-effective-lrate": 0.00015,
        "trainer.optimization.minibatch-size": "256,128",
    },
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the recipe; returns the exit status."""
    options = parser(__doc__ or "", TRAINING)
    options.add_argument("--dim", type=count, default=520, help="dimension of hidden layers (520)")
    options.add_l2("l2", 0.0, "hidden layers")
    options.add_l2("l2-output", 0.0, "the output layer")
    options.add_training(num_epochs=4.0)
    return recipe.guarded(run, options.parse_args(argv))


def run(options: argparse.Namespace) -> None:
    """Make configs, train and decode; or show how."""
    carry_out(TRAINING, frame_places(options), options)


if __name__ == "__main__":
    raise SystemExit(main())

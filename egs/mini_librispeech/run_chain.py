"""Mini LibriSpeech, the chain part: a TDNN-F with LF-MMI on what Kaldi's run.sh and chain scripts prepared.

usage: python -m egs.mini_librispeech.run_chain --s5 KALDI/egs/mini_librispeech/s5 [--dry-run] [options]

For people who ran the stages of Kaldi's local/chain/run_tdnn.sh up to tree, numerator lattices and graph.
--dry-run only shows the commands.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from egs import recipe
from egs.arguments import count
from egs.mini_librispeech.places import chain_places
from egs.mini_librispeech.training import Training, carry_out, parser

TRAINING = Training(
    script="steps.chain.train",
    network="tdnnf",
    folder="exp/chain/tdnnf_sp",
    settings={
        "stage": -10,
        "feat.cmvn-opts": "--norm-means=false --norm-vars=false",
        "chain.xent-regularize": 0.1,
        "chain.leaky-hmm-coefficient": 0.1,
        "chain.l2-regularize": 0.0,
        "chain.apply-deriv-weights": "false",
        "chain.lm-opts": "--num-extra-lm-states=2000",
        "trainer.dropout-schedule": "0,0@0.20,0.3@0.50,0",
        "trainer.max-param-change": 2.0,
        "trainer.frames-per-iter": 3000000,
        "trainer.num-chunk-per-minibatch": "128,64",
        "trainer.optimization.num-jobs-initial": 2,
        "trainer.optimization.initial-effective-lrate": 0.002,
        "trainer.optimization.final-effective-lrate": 0.0002,
        "egs.chunk-width": "140,100,160",
        "egs.opts": "--frames-overlap-per-eg 0",
    },
    decoding={"frames-per-chunk": 140},
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the recipe; returns the exit status."""
    options = parser(__doc__ or "", TRAINING)
    options.add_argument("--dim", type=count, default=768, help="dimension of hidden layers (768)")
    options.add_l2("l2", 0.03, "hidden layers")
    options.add_l2("l2-output", 0.015, "the output layers")
    options.add_training(num_epochs=20.0, jobs=5)
    return recipe.guarded(run, options.parse_args(argv))


def run(options: argparse.Namespace) -> None:
    """Make configs, train and decode; or show how."""
    carry_out(TRAINING, chain_places(options), options)


if __name__ == "__main__":
    raise SystemExit(main())

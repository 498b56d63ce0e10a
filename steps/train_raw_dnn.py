"""steps/train_raw_dnn.py: trains a bare feed-forward network frame by frame on given targets, as Kaldi's
script does.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from steps.script import run_script

HEADING = """\
Train a feed-forward network without transition model from features and targets, or from examples.

Usage: train_raw_dnn.py [options] --feat-dir DATA --targets-scp TARGETS --dir DIR
or:    train_raw_dnn.py [options] --egs.dir EGS --dir DIR
e.g.:  train_raw_dnn.py --use-dense-targets true --feat-dir data/noisy --targets-scp data/clean/feats.scp \\
         --dir exp/denoise

DIR/configs is what xconfig-to-configs writes. A run that was interrupted goes on when the same command is
given again."""


def main(argv: Sequence[str] | None = None) -> int:
    """Train; returns the exit status."""
    return run_script("train_raw_dnn.py", HEADING, "RawDnnOptions", "steps.raw_training", argv)


if __name__ == "__main__":
    sys.exit(main())

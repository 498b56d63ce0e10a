"""steps/train_raw_rnn.py: trains a bare recurrent network on chunks of given targets, as Kaldi's script
does.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from steps.script import run_script

HEADING = """Train a recurrent network without transition model, from features and targets or from examples.

Usage: train_raw_rnn.py [options] --feat-dir DATA --targets-scp TARGETS --dir DIR
or:    train_raw_rnn.py [options] --egs.dir EGS --dir DIR
e.g.:  train_raw_rnn.py --egs.chunk-width 40 --use-dense-targets true --feat-dir data/noisy \\
         --targets-scp data/clean/feats.scp --dir exp/denoise

DIR/configs is what xconfig-to-configs writes. A run that was interrupted goes on when the same command is
given again."""


def main(argv: Sequence[str] | None = None) -> int:
    """Train; returns the exit status."""
    return run_script("train_raw_rnn.py", HEADING, "RawRnnOptions", "steps.raw_training", argv)


if __name__ == "__main__":
    sys.exit(main())

"""steps/train_dnn.py: trains an acoustic model frame by frame with a cross-entropy objective, as Kaldi's
script does.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from steps.script import run_script

HEADING = """Train a feed-forward acoustic model with frame-level cross-entropy, from features and alignments.

Usage: train_dnn.py [options] --feat-dir DATA --ali-dir ALI --dir DIR
e.g.:  train_dnn.py --trainer.num-epochs 4 --trainer.optimization.num-jobs-final 4 \\
         --feat-dir data/train --ali-dir exp/tri3_ali --dir exp/tdnn

DIR/configs is what xconfig-to-configs writes. A run that was interrupted goes on when the same command is
given again. What is done stays, whatever --stage says: --stage=N only skips what comes before N. With
--restart=true as well, everything from N on is discarded and done again."""


def main(argv: Sequence[str] | None = None) -> int:
    """Train; returns the exit status."""
    return run_script("train_dnn.py", HEADING, "DnnOptions", "steps.acoustic_training", argv)


if __name__ == "__main__":
    sys.exit(main())

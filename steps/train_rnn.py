"""steps/train_rnn.py: trains a recurrent acoustic model on chunks with a cross-entropy objective, as Kaldi's
script does.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from steps.script import run_script

HEADING = """\
Train a recurrent acoustic model with frame-level cross-entropy on chunks, from features and alignments.

Usage: train_rnn.py [options] --feat-dir DATA --ali-dir ALI --dir DIR
e.g.:  train_rnn.py --egs.chunk-width 40,30,20 --trainer.rnn.num-chunk-per-minibatch 128,64 \\
         --feat-dir data/train --ali-dir exp/tri3_ali --dir exp/tdnn_lstm

DIR/configs is what xconfig-to-configs writes. A run that was interrupted goes on when the same command is
given again."""


def main(argv: Sequence[str] | None = None) -> int:
    """Train; returns the exit status."""
    return run_script("train_rnn.py", HEADING, "RnnOptions", "steps.acoustic_training", argv)


if __name__ == "__main__":
    sys.exit(main())

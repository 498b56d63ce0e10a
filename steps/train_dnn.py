"""steps/train_dnn.py: trains an acoustic model frame by frame with a cross-entropy objective, as Kaldi's
script does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from steps.executor import THREAD_VARIABLES
from steps.options import parse, usage
from steps.train_options import DnnOptions

HEADING = """Train a feed-forward acoustic model with frame-level cross-entropy, from features and alignments.

Usage: train_dnn.py [options] --feat-dir DATA --ali-dir ALI --dir DIR
e.g.:  train_dnn.py --trainer.num-epochs 4 --trainer.optimization.num-jobs-final 4 \\
         --feat-dir data/train --ali-dir exp/tri3_ali --dir exp/tdnn

DIR/configs is what xconfig-to-configs writes. A run that was interrupted goes on when the same command is
given again."""


def main(argv: Sequence[str] | None = None) -> int:
    """Train; returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if "--help" in words or not words:
        print(usage(DnnOptions, HEADING), file=sys.stderr)
        return 0 if words else 1
    try:
        options = parse(DnnOptions, words)
    except (ValueError, OSError) as error:
        print(f"train_dnn.py: {error}", file=sys.stderr)
        return 1
    for variable in THREAD_VARIABLES:
        os.environ.setdefault(variable, "1")  # before numpy is imported: the driver's own arithmetic is small
    from steps.command import guarded  # noqa: PLC0415
    from steps.frame_training import train  # noqa: PLC0415

    return guarded("train_dnn.py", words, options, train)


if __name__ == "__main__":
    sys.exit(main())

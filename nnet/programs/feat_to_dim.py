"""feat-to-dim: the dimension (number of columns) of features."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from nnet.programs.program import run_program

USAGE = """
How many columns features have: that of the first utterance as a number in a file, or, where the second
argument is a table, that of every utterance.

Usage: feat-to-dim [options] <feat-rspecifier> (<dim-wspecifier>|<dim-wxfilename>)
e.g.:  feat-to-dim scp:data/train/feats.scp -
"""


@dataclass
class Options:
    """feat-to-dim has no options of its own."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run feat-to-dim."""
    return run_program(USAGE, Options, feat_to_dim, (2, 2), argv)


def feat_to_dim(options: Options, source: str, target: str) -> int:
    """Write the dimension of the features of `source` to `target`."""
    from contextlib import closing  # noqa: PLC0415 - fast start

    from nnet.formats.basic import open_output  # noqa: PLC0415 - fast start
    from nnet.formats.tables import INT, MATRIX, TableWriter, is_wspecifier, read_table  # noqa: PLC0415 - fast start

    with closing(read_table(source, MATRIX)) as table:  # type: ignore[type-var]
        if is_wspecifier(target):
            with TableWriter(target, INT) as writer:
                for key, feats in table:
                    writer.write(key, feats.shape[1])
            return 0
        first = next(table, None)
    if first is None:
        raise ValueError(f"{source} has no features; is the archive empty?")
    with open_output(target, binary=False) as out:
        out.text(f"{first[1].shape[1]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

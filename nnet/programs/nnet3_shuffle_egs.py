"""nnet3-shuffle-egs: training examples in random order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnet.examples.shuffle import shuffle
from nnet.formats.examples import EXAMPLE
from nnet.formats.tables import Kind, TableWriter, read_table
from nnet.programs.program import log, option, run_program

USAGE = """Copy training examples in random order. All are kept in memory, unless --buffer-size is given.

Usage:  nnet3-shuffle-egs [options] <egs-rspecifier> <egs-wspecifier>
e.g. nnet3-shuffle-egs --srand=7 ark:egs.7.ark ark:-
"""
PROG = "nnet3-shuffle-egs"


@dataclass
class Options:
    """Options of nnet3-shuffle-egs."""

    srand: int = option(0, "Seed for random number generator")
    buffer_size: int = option(
        0, "If >0, size of a buffer for partial shuffling in limited memory; 0 shuffles fully"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    return run_program(USAGE, Options, shuffle_egs, (2, 2), argv)


def shuffle_egs(options: Options, examples: str, shuffled: str) -> int:
    """Write the examples in random order; 1 if there are none."""
    return copy_shuffled(PROG, EXAMPLE, options, examples, shuffled)


def copy_shuffled(prog: str, kind: Kind, options: Options, examples: str, shuffled: str) -> int:
    """Write a table's values of type `kind` in random order; 1 if there are none."""
    count = 0
    with TableWriter(shuffled, kind) as writer:
        rng = np.random.default_rng(options.srand)
        for key, eg in shuffle(read_table(examples, kind), rng, options.buffer_size):
            writer.write(key, eg)
            count += 1
    how = " using a buffer (partial randomization)" if options.buffer_size else ""
    log(prog, f"Shuffled order of {count} neural-network training examples{how}")
    return 0 if count else 1


if __name__ == "__main__":
    raise SystemExit(main())

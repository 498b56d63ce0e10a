"""nnet3-subset-egs: a random subset of training examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnet.examples.shuffle import subset
from nnet.formats.examples import EXAMPLE
from nnet.formats.tables import Kind, TableWriter, read_table
from nnet.programs.program import log, option, run_program

USAGE = """Copy a random subset of the training examples, using no more memory than the subset needs.

Usage:  nnet3-subset-egs [options] <egs-rspecifier> <egs-wspecifier>
e.g. nnet3-subset-egs --n=300 --srand=5 ark:egs.1.ark ark:diagnostic.egs
"""
PROG = "nnet3-subset-egs"


@dataclass
class Options:
    """Options of nnet3-subset-egs."""

    srand: int = option(0, "Seed for random number generator")
    n: int = option(1000, "Number of examples to output")
    randomize_order: bool = option(True, "Write the subset in random order, else in that of the input")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    return run_program(USAGE, Options, subset_egs, (2, 2), argv)


def subset_egs(options: Options, examples: str, chosen: str) -> int:
    """Write the subset; 1 if there was nothing to choose from."""
    return copy_subset(PROG, EXAMPLE, "neural-network", options, examples, chosen)


def copy_subset(prog: str, kind: Kind, what: str, options: Options, examples: str, chosen: str) -> int:
    """Write a random subset of a table's values of type `kind`; 1 if there was nothing to choose from."""
    rng = np.random.default_rng(options.srand)
    kept, seen = subset(read_table(examples, kind), options.n, rng, options.randomize_order)
    with TableWriter(chosen, kind) as writer:
        for key, eg in kept:
            writer.write(key, eg)
    log(prog, f"Selected a subset of {len(kept)} out of {seen} {what} training examples")
    return 0 if seen else 1


if __name__ == "__main__":
    raise SystemExit(main())

"""nnet3-chain-subset-egs: a random subset of chain examples."""

from __future__ import annotations

from collections.abc import Sequence

from nnet.formats.chain_examples import CHAIN_EXAMPLE
from nnet.programs.nnet3_subset_egs import Options, copy_subset
from nnet.programs.program import run_program

USAGE = """Copy a random subset of the chain examples, using no more memory than the subset needs.

Usage:  nnet3-chain-subset-egs [options] <egs-rspecifier> <egs-wspecifier>
e.g. nnet3-chain-subset-egs --n=300 --srand=5 ark:cegs.1.ark ark:diagnostic.cegs
"""
PROG = "nnet3-chain-subset-egs"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    return run_program(USAGE, Options, subset_egs, (2, 2), argv)


def subset_egs(options: Options, examples: str, chosen: str) -> int:
    """Write the subset; 1 if there was nothing to choose from."""
    return copy_subset(PROG, CHAIN_EXAMPLE, "nnet3+chain", options, examples, chosen)


if __name__ == "__main__":
    raise SystemExit(main())

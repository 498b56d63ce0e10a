"""nnet3-chain-shuffle-egs: chain examples in random order."""

from __future__ import annotations

from collections.abc import Sequence

from nnet.formats.chain_examples import CHAIN_EXAMPLE
from nnet.programs.nnet3_shuffle_egs import Options, copy_shuffled
from nnet.programs.program import run_program

USAGE = """Copy chain examples in random order. All are kept in memory, unless --buffer-size is given.

Usage:  nnet3-chain-shuffle-egs [options] <egs-rspecifier> <egs-wspecifier>
e.g. nnet3-chain-shuffle-egs --srand=7 ark:cegs.7.ark ark:-
"""
PROG = "nnet3-chain-shuffle-egs"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    return run_program(USAGE, Options, shuffle_egs, (2, 2), argv)


def shuffle_egs(options: Options, examples: str, shuffled: str) -> int:
    """Write the examples in random order; 1 if there are none."""
    return copy_shuffled(PROG, CHAIN_EXAMPLE, options, examples, shuffled)


if __name__ == "__main__":
    raise SystemExit(main())

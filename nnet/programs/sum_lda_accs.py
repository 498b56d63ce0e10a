"""sum-lda-accs: the sum of the LDA statistics of several jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnet.examples.lda import sum_stats, write_stats
from nnet.programs.program import option, run_program

USAGE = """
Sum statistics for LDA, as nnet3-acc-lda-stats and acc-lda write them.

Usage:  sum-lda-accs [options] <stats-out> <stats-in1> [<stats-in2> ...]
e.g.:   sum-lda-accs lda.acc lda.1.acc lda.2.acc
"""


@dataclass
class Options:
    """Options of sum-lda-accs."""

    binary: bool = option(True, "Write the statistics in binary mode")


def main(argv: Sequence[str] | None = None) -> int:
    """Run sum-lda-accs."""
    return run_program(USAGE, Options, run, (2, None), argv)


def run(options: Options, target: str, *sources: str) -> None:
    """Write the sum of `sources` to `target`."""
    write_stats(sum_stats(sources), target, options.binary)


if __name__ == "__main__":
    raise SystemExit(main())

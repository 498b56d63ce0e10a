"""nnet3-acc-lda-stats: statistics for LDA of a network's outputs, from training examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nnet.examples.lda import LdaStats, write_stats
from nnet.examples.lda_output import output_stats
from nnet.formats.examples import EXAMPLE
from nnet.formats.model import read_nnet
from nnet.formats.tables import read_table
from nnet.programs.program import log, option, run_program

USAGE = """Accumulate statistics for LDA and similar transforms: training examples are put through the
network; its output is the feature; the supervision gives the classes.

Usage:  nnet3-acc-lda-stats [options] <raw-nnet-in> <training-examples-in> <lda-stats-out>
e.g. nnet3-acc-lda-stats init.raw ark:egs.7.ark lda.7.acc
"""
PROG = "nnet3-acc-lda-stats"


@dataclass
class Options:
    """Options of nnet3-acc-lda-stats."""

    binary: bool = option(True, "Write output in binary mode")
    rand_prune: float = option(0.0, "Randomized pruning threshold for posteriors")
    srand: int = option(0, "Seed of the random pruning")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    return run_program(USAGE, Options, acc_lda_stats, (3, 3), argv)


def acc_lda_stats(options: Options, model: str, examples: str, stats_path: str) -> None:
    """Write the statistics. Raises ValueError if the examples hold no supervised frame."""
    prune, source = checked_prune(options), (eg for _, eg in read_table(examples, EXAMPLE))
    found = output_stats(read_nnet(model), source, prune, np.random.default_rng(options.srand))
    write_found(options, found, examples, stats_path, lambda line: log(PROG, line))


def checked_prune(options: Options) -> float:
    """The threshold of the pruning. Raises ValueError if it is negative."""
    if options.rand_prune < 0:
        raise ValueError(f"--rand-prune={options.rand_prune:g} is negative")
    return options.rand_prune


def write_found(
    options: Options,
    found: tuple[LdaStats | None, int],
    examples: str,
    stats_path: str,
    say: Callable[[str], None],
) -> None:
    """Write the statistics `found`. Raises ValueError if there are none."""
    stats, count = found
    say(f"Processed {count} examples.")
    if stats is None or stats.count.sum() == 0:
        raise ValueError(f"accumulated no stats: {examples} holds no supervised frames")
    write_stats(stats, stats_path, options.binary)
    say(f"Accumulated stats, soft frame count = {stats.count.sum():g}.  Wrote to {stats_path}")


if __name__ == "__main__":
    raise SystemExit(main())

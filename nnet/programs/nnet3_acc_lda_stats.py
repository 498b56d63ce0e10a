"""nnet3-acc-lda-stats: statistics for LDA of a network's outputs, from training examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnet.examples.lda import write_stats
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
    if options.rand_prune < 0:
        raise ValueError(f"--rand-prune={options.rand_prune:g} is negative")
    source = (eg for _, eg in read_table(examples, EXAMPLE))
    rng = np.random.default_rng(options.srand)
    stats, count = output_stats(read_nnet(model), source, options.rand_prune, rng)
    log(PROG, f"Processed {count} examples.")
    if stats is None or stats.count.sum() == 0:
        raise ValueError(f"accumulated no stats: {examples} holds no supervised frames")
    write_stats(stats, stats_path, options.binary)
    log(PROG, f"Accumulated stats, soft frame count = {stats.count.sum():g}.  Wrote to {stats_path}")


if __name__ == "__main__":
    raise SystemExit(main())

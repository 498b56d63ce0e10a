"""nnet3-chain-acc-lda-stats: statistics for LDA of a network's outputs, from chain examples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnet.examples.lda_output import chain_output_stats
from nnet.formats.chain_examples import CHAIN_EXAMPLE
from nnet.formats.model import read_nnet
from nnet.formats.tables import read_table
from nnet.programs.nnet3_acc_lda_stats import Options, checked_prune, write_found
from nnet.programs.program import log, run_program

USAGE = """Accumulate statistics for LDA and similar transforms: chain examples are put through the network;
its output is the feature; the classes are the pdfs that the supervision allows. Their time is a little vague.

Usage:  nnet3-chain-acc-lda-stats [options] <raw-nnet-in> <chain-examples-in> <lda-stats-out>
e.g. nnet3-chain-acc-lda-stats init.raw ark:cegs.7.ark lda.7.acc
"""
PROG = "nnet3-chain-acc-lda-stats"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    return run_program(USAGE, Options, acc_lda_stats, (3, 3), argv)


def acc_lda_stats(options: Options, model: str, examples: str, stats_path: str) -> None:
    """Write the statistics. Raises ValueError if the examples hold no supervised frame."""
    prune, source = checked_prune(options), (eg for _, eg in read_table(examples, CHAIN_EXAMPLE))
    found = chain_output_stats(read_nnet(model), source, prune, np.random.default_rng(options.srand))
    write_found(options, found, examples, stats_path, lambda line: log(PROG, line))


if __name__ == "__main__":
    raise SystemExit(main())

"""nnet3-chain-get-egs: features and chain supervision to training examples."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from nnet.examples.chain_make import ChainExampleMaker, Normalization
from nnet.formats.chain_examples import CHAIN_EXAMPLE, SUPERVISION
from nnet.formats.fst import read_fst_file
from nnet.formats.kinds import GENERAL_MATRIX, MATRIX, VECTOR
from nnet.formats.tables import TableWriter, random_access, read_table
from nnet.formats.transitions import read_transition_model
from nnet.programs.example_options import CuttingOptions, make_options
from nnet.programs.program import log, option, run_program, warn

PROG = "nnet3-chain-get-egs"
USAGE = """
Cut utterances into chunks, examples for nnet3-chain-train. Without <normalization-fst> the examples are not
ready for training; nnet3-chain-normalize-egs completes them.

Usage:  nnet3-chain-get-egs [options] [<normalization-fst>] <features-rspecifier>
            <chain-supervision-rspecifier> <egs-wspecifier>

e.g.:   chain-get-supervision [args] | nnet3-chain-get-egs --left-context=25 --right-context=9 \\
            --num-frames=150,100,90 dir/normalization.fst scp:feats.scp ark,s,cs:- ark:cegs.1.ark
"""


@dataclass
class Options(CuttingOptions):
    """Options of nnet3-chain-get-egs."""

    supervision_length_tolerance: int = option(
        1, "Tolerated difference in subsampled frames between supervision and weights or features"
    )
    deriv_weights_rspecifier: str = option("", "Weights of frames, factors on their derivatives")
    normalization_fst_scale: float = option(1.0, "Scale of the costs of the normalization FST")
    transition_model: str = option(
        "", "For unconstrained examples: the model whose transition-ids the supervision has as labels"
    )
    long_key: bool = option(False, "If true, keys tell the contexts and sizes of chunks")


def main(argv: Sequence[str] | None = None) -> int:
    """Run nnet3-chain-get-egs."""
    return run_program(USAGE, Options, run, (3, 4), argv)


def run(options: Options, *arguments: str) -> int:
    """Write the examples; 1 if there are none."""
    normalization = None
    if len(arguments) == 4:
        fst = read_fst_file(arguments[0])
        normalization = Normalization.scaled(fst, options.normalization_fst_scale)
    features, supervision, examples = arguments[-3:]
    maker = ChainExampleMaker(
        make_options(options, None, PROG, options.supervision_length_tolerance),
        np.random.default_rng(options.srand),
        normalization,
        options.long_key,
        lambda message: warn(PROG, message),
        read_transition_model(options.transition_model) if options.transition_model else None,
    )
    ivectors, weights = options.online_ivectors or options.ivectors, options.deriv_weights_rspecifier
    with (
        random_access(supervision, SUPERVISION) as numerators,
        random_access(ivectors, MATRIX) if ivectors else nullcontext() as ivector_table,
        random_access(weights, VECTOR) if weights else nullcontext() as weight_table,
        TableWriter(examples, CHAIN_EXAMPLE) as writer,
    ):
        rows = read_table(features, GENERAL_MATRIX)
        for key, eg in maker.chain_stream(rows, numerators, ivector_table, weight_table):
            writer.write(key, eg)
    if problems := maker.counts.problems + maker.no_weights + maker.counts.too_short:
        warn(PROG, f"{problems} utterances had errors and could not be processed.")
    for line in maker.splitter.summary():
        log(PROG, line)
    if maker.impossible:
        warn(PROG, f"{maker.impossible} chunks were left out: the normalization FST has no path for them")
    return 0 if maker.counts.examples else 1


if __name__ == "__main__":
    raise SystemExit(main())

"""nnet3-chain-e2e-get-egs: features and training graphs to end-to-end chain examples."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from nnet.examples.chain_e2e import E2eMaker, E2eOptions
from nnet.examples.split import ChunkOptions
from nnet.formats.chain_examples import CHAIN_EXAMPLE
from nnet.formats.fst import FST, read_fst_file
from nnet.formats.kinds import MATRIX
from nnet.formats.tables import TableWriter, random_access, read_table
from nnet.formats.transitions import read_transition_model
from nnet.programs.example_options import ChunkedExampleOptions
from nnet.programs.program import log, run_program, warn

USAGE = """Make examples of whole utterances for flat-start LF-MMI, whose supervision is a training graph.

Utterances must have one of the lengths --num-frames, or nearly so. Without <normalization-fst> the examples
lack its costs; nnet3-chain-normalize-egs adds them.

Usage:  nnet3-chain-e2e-get-egs [options] [<normalization-fst>] <features-rspecifier> <fst-rspecifier> \\
                                <trans-model> <egs-wspecifier>

e.g. nnet3-chain-e2e-get-egs --num-frames=150,180 --frame-subsampling-factor=3 --left-context=10 \\
  normalization.fst scp:feats.scp scp:fst.1.scp 0.trans_mdl ark:1.cegs
"""
PROG = "nnet3-chain-e2e-get-egs"


@dataclass
class Options(ChunkedExampleOptions):
    """Options of nnet3-chain-e2e-get-egs."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    return run_program(USAGE, Options, get_egs, (4, 5), argv)


def get_egs(options: Options, *arguments: str) -> int:
    """Write the examples; 1 if there are none."""
    normalization, features, graphs, model, examples = ("", *arguments)[-5:]
    maker = E2eMaker(
        read_transition_model(model),
        _options(options),
        np.random.default_rng(options.srand),
        read_fst_file(normalization) if normalization else None,
        lambda message: warn(PROG, message),
    )
    ivectors = options.online_ivectors or options.ivectors
    with (
        random_access(features, MATRIX) as table,
        random_access(ivectors, MATRIX) if ivectors else nullcontext() as ivector_table,
        TableWriter(examples, CHAIN_EXAMPLE) as writer,
    ):
        for key, eg in maker.stream(read_table(graphs, FST), table, ivector_table):
            writer.write(key, eg)
    c = maker.counts
    problems = c.utterances - c.examples
    log(
        PROG,
        "Finished generating examples, "
        f"successfully processed {c.examples} feature files, had errors in {problems}",
    )
    return 0 if c.examples else 1


def _options(o: Options) -> E2eOptions:
    lengths = ChunkOptions(
        num_frames=o.num_frames, frame_subsampling_factor=o.frame_subsampling_factor
    ).sizes()
    if not lengths:
        raise ValueError(f"--num-frames={o.num_frames}: the allowed lengths of utterances are needed")
    return E2eOptions(
        lengths=tuple(lengths),
        left_context=o.left_context_initial if o.left_context_initial >= 0 else o.left_context,
        right_context=o.right_context_final if o.right_context_final >= 0 else o.right_context,
        frame_subsampling_factor=o.frame_subsampling_factor,
        compress=o.compress,
        ivector_period=o.online_ivector_period,
        ivector_length_tolerance=o.length_tolerance,
    )


if __name__ == "__main__":
    raise SystemExit(main())

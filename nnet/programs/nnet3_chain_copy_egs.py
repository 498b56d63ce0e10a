"""nnet3-chain-copy-egs: chain examples copied, thinned out, shifted, or dealt out to several archives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nnet.examples.chain import cut_context, rename_chain_output, scale_chain_output, shift_chain_times
from nnet.examples.copy import FrameSelector, draw_count
from nnet.formats.chain_examples import CHAIN_EXAMPLE, ChainExample
from nnet.programs.nnet3_copy_egs import CopyOptions, Counts, annotated, deal_out
from nnet.programs.program import log, option, run_program, warn

USAGE = """Copy chain examples, possibly changing the binary mode. Several outputs are dealt out in turn.

Usage:  nnet3-chain-copy-egs [options] <egs-rspecifier> <egs-wspecifier1> [<egs-wspecifier2> ...]
e.g. nnet3-chain-copy-egs ark:cegs.7.ark ark,t:-
or:  nnet3-chain-copy-egs --frame-shift=1 --random=true ark:all.cegs ark:a.cegs ark:b.cegs
"""
PROG = "nnet3-chain-copy-egs"


@dataclass
class Options(CopyOptions):
    """Options of nnet3-chain-copy-egs."""

    frame_shift: int = option(
        0,
        "Add this to all times except those of ivector; for outputs rounded to a multiple of their step",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    return run_program(USAGE, Options, copy_egs, (2, None), argv)


def copy_egs(options: Options, examples: str, *targets: str) -> int:
    """Write the copies; 1 if there are none."""
    rng, counts = np.random.default_rng(options.srand), Counts()
    written = deal_out(CHAIN_EXAMPLE, _copies(options, examples, rng, counts), targets, options.random, rng)
    log(PROG, f"Read {counts.read} neural-network training examples, wrote {written}")
    return 0 if written else 1


def _copies(
    options: Options, examples: str, rng: np.random.Generator, counts: Counts
) -> Iterator[tuple[str, ChainExample]]:
    """(key, example) as they are to be written, changed as the options say."""
    select = FrameSelector("", options.left_context, options.right_context, 0, rng, lambda m: warn(PROG, m))
    for key, read, weight, name in annotated(PROG, CHAIN_EXAMPLE, options, examples, counts):
        eg = read if weight is None else scale_chain_output(read, weight)
        eg = eg if name is None else rename_chain_output(eg, name)
        eg = shift_chain_times(eg, options.frame_shift)
        eg = cut_context(eg, select) if select.changes else eg
        for _ in range(draw_count(options.keep_proportion, rng)):
            yield key, eg


if __name__ == "__main__":
    raise SystemExit(main())

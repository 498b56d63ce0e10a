"""nnet3-chain-copy-egs: chain examples copied, thinned out, shifted, or dealt out to several archives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnet.examples.chain import cut_context, rename_chain_output, scale_chain_output, shift_chain_times
from nnet.examples.copy import FrameSelector, draw_count
from nnet.formats.chain_examples import CHAIN_EXAMPLE, ChainExample
from nnet.formats.kinds import FLOAT, TOKEN
from nnet.formats.tables import TableWriter, random_access, read_table
from nnet.programs.program import log, option, run_program, warn

USAGE = """Copy chain examples, possibly changing the binary mode. Several outputs are dealt out in turn.

Usage:  nnet3-chain-copy-egs [options] <egs-rspecifier> <egs-wspecifier1> [<egs-wspecifier2> ...]
e.g. nnet3-chain-copy-egs ark:cegs.7.ark ark,t:-
or:  nnet3-chain-copy-egs --frame-shift=1 --random=true ark:all.cegs ark:a.cegs ark:b.cegs
"""
PROG = "nnet3-chain-copy-egs"


@dataclass
class Options:
    """Options of nnet3-chain-copy-egs."""

    random: bool = option(False, "If true, write examples to the outputs at random, not in turn")
    frame_shift: int = option(
        0,
        "Add this to all times except those of ivector; for outputs rounded to a multiple of their step",
    )
    keep_proportion: float = option(
        1.0, "Expected number of copies of an example: below 1 it is kept at random"
    )
    srand: int = option(0, "Seed for random number generator")
    left_context: int = option(-1, "If >=0, cut the left context of the features down to this")
    right_context: int = option(-1, "If >=0, cut the right context of the features down to this")
    weights: str = option("", "Rspecifier, by example key, of weights for the supervision")
    outputs: str = option("", "Rspecifier, by example key, of new names for 'output', e.g. output-0")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    return run_program(USAGE, Options, copy_egs, (2, None), argv)


def copy_egs(options: Options, examples: str, *targets: str) -> int:
    """Write the copies; 1 if there are none."""
    rng = np.random.default_rng(options.srand)
    counts = {"read": 0}
    written = 0
    with ExitStack() as stack:
        writers = [stack.enter_context(TableWriter(t, CHAIN_EXAMPLE)) for t in targets]
        for key, eg in _copies(options, examples, rng, counts, stack):
            turn = int(rng.integers(len(writers))) if options.random else written % len(writers)
            writers[turn].write(key, eg)
            written += 1
    log(PROG, f"Read {counts['read']} neural-network training examples, wrote {written}")
    return 0 if written else 1


def _copies(
    options: Options, examples: str, rng: np.random.Generator, counts: dict[str, int], stack: ExitStack
) -> Iterator[tuple[str, ChainExample]]:
    """(key, example) as they are to be written, changed as the options say."""

    def table(rspecifier: str, kind: Any) -> Any:
        return stack.enter_context(random_access(rspecifier, kind)) if rspecifier else None

    weights, names = table(options.weights, FLOAT), table(options.outputs, TOKEN)
    select = FrameSelector("", options.left_context, options.right_context, 0, rng, lambda m: warn(PROG, m))
    for key, read in read_table(examples, CHAIN_EXAMPLE):
        counts["read"] += 1
        count = draw_count(options.keep_proportion, rng)
        for what, values in (("weight", weights), ("new output-name", names)):
            if values is not None and key not in values:
                warn(PROG, f"No {what} for example key {key}")
                break
        else:
            eg = read if weights is None else scale_chain_output(read, weights[key])
            eg = eg if names is None else rename_chain_output(eg, names[key])
            eg = shift_chain_times(eg, options.frame_shift)
            eg = cut_context(eg, select) if select.changes else eg
            for _ in range(count):
                yield key, eg


if __name__ == "__main__":
    raise SystemExit(main())

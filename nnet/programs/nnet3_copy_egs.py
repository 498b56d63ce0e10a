"""nnet3-copy-egs: training examples copied, thinned out, cut down, or dealt out to several archives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnet.examples.copy import FrameSelector, draw_count, rename_output, scale_output
from nnet.formats.examples import EXAMPLE, NnetExample
from nnet.formats.kinds import FLOAT, TOKEN
from nnet.formats.tables import TableWriter, random_access, read_table
from nnet.programs.program import log, option, run_program, warn

USAGE = """Copy training examples, possibly changing the binary mode. Several outputs are dealt out in turn.

Usage:  nnet3-copy-egs [options] <egs-rspecifier> <egs-wspecifier1> [<egs-wspecifier2> ...]
e.g. nnet3-copy-egs ark:egs.7.ark ark,t:-
or:  nnet3-copy-egs --random=true ark:all.egs ark:a.egs ark:b.egs
"""
PROG = "nnet3-copy-egs"


@dataclass
class Options:
    """Options of nnet3-copy-egs."""

    random: bool = option(False, "If true, write examples to the outputs at random, not in turn")
    frame_shift: int = option(0, "Add this to all times except those of ivector, after any frame selection")
    keep_proportion: float = option(
        1.0, "Expected number of copies of an example: below 1 it is kept at random"
    )
    srand: int = option(0, "Seed for random number generator")
    frame: str = option("", "Keep only this labelled frame: a number, or 'random'")
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
    counts = {"read": 0, "errors": 0}
    written = 0
    with ExitStack() as stack:
        writers = [stack.enter_context(TableWriter(t, EXAMPLE)) for t in targets]
        for key, eg in _copies(options, examples, rng, counts, stack):
            turn = int(rng.integers(len(writers))) if options.random else written % len(writers)
            writers[turn].write(key, eg)
            written += 1
    log(
        PROG,
        f"Read {counts['read']} neural-network training examples, wrote {written}, "
        f"{counts['errors']} examples had errors.",
    )
    return 0 if written else 1


def _copies(
    options: Options, examples: str, rng: np.random.Generator, counts: dict[str, int], stack: ExitStack
) -> Iterator[tuple[str, NnetExample]]:
    """(key, example) as they are to be written, changed as the options say."""

    def table(rspecifier: str, kind: Any) -> Any:
        return stack.enter_context(random_access(rspecifier, kind)) if rspecifier else None

    weights, names = table(options.weights, FLOAT), table(options.outputs, TOKEN)
    select = FrameSelector(
        options.frame,
        options.left_context,
        options.right_context,
        options.frame_shift,
        rng,
        lambda m: warn(PROG, m),
    )
    for key, eg in read_table(examples, EXAMPLE):
        counts["read"] += 1
        for what, values in (("weight", weights), ("new output-name", names)):
            if values is not None and key not in values:
                warn(PROG, f"No {what} for example key {key}")
                counts["errors"] += 1
                break
        else:
            scaled = eg if weights is None else scale_output(eg, weights[key])
            for _ in range(draw_count(options.keep_proportion, rng)):
                chosen = select(scaled) if select.changes else scaled
                if chosen is not None:
                    yield key, chosen if names is None else rename_output(chosen, names[key])


if __name__ == "__main__":
    raise SystemExit(main())

"""nnet3-copy-egs: training examples copied, thinned out, cut down, or dealt out to several archives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnet.examples.copy import FrameSelector, draw_count, rename_output, scale_output
from nnet.examples.packed import PackedArchive, open_packed
from nnet.formats.examples import EXAMPLE, NnetExample, read_example
from nnet.formats.kinds import FLOAT, TOKEN
from nnet.formats.specifiers import parse_wspecifier
from nnet.formats.tables import Kind, RandomAccess, TableWriter, random_access, read_table
from nnet.programs.program import log, option, run_program, warn

USAGE = """Copy training examples, possibly changing the binary mode. Several outputs are dealt out in turn.

Usage:  nnet3-copy-egs [options] <egs-rspecifier> <egs-wspecifier1> [<egs-wspecifier2> ...]
e.g. nnet3-copy-egs ark:egs.7.ark ark,t:-
or:  nnet3-copy-egs --random=true ark:all.egs ark:a.egs ark:b.egs
"""
PROG = "nnet3-copy-egs"
# Examples that stay as they are: copied in a tenth of the time that it takes to read and write them.
BYTES = Kind("example", read_example, lambda target, value: target.write(value))


@dataclass
class CopyOptions:
    """Options of this program and of its sister for chain examples."""

    random: bool = option(False, "If true, write examples to the outputs at random, not in turn")
    keep_proportion: float = option(
        1.0, "Expected number of copies of an example: below 1 it is kept at random"
    )
    srand: int = option(0, "Seed for random number generator")
    left_context: int = option(-1, "If >=0, cut the left context of the features down to this")
    right_context: int = option(-1, "If >=0, cut the right context of the features down to this")
    weights: str = option("", "Rspecifier, by example key, of weights for the supervision")
    outputs: str = option("", "Rspecifier, by example key, of new names for 'output', e.g. output-0")


@dataclass
class Options(CopyOptions):
    """Options of nnet3-copy-egs."""

    frame_shift: int = option(0, "Add this to all times except those of ivector, after any frame selection")
    frame: str = option("", "Keep only this labelled frame: a number, or 'random'")


@dataclass
class Counts:
    """Examples read, and those left out for want of a weight or a name."""

    read: int = 0
    errors: int = 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    return run_program(USAGE, Options, copy_egs, (2, None), argv)


def copy_egs(options: Options, examples: str, *targets: str) -> int:
    """Write the copies; 1 if there are none."""
    rng, counts = np.random.default_rng(options.srand), Counts()
    packed = open_packed(examples) if _keeps_bytes(options, targets) else None
    kind = EXAMPLE if packed is None else BYTES
    copies = (
        _copies(options, examples, rng, counts) if packed is None else _same(packed, options, rng, counts)
    )
    written = deal_out(kind, copies, targets, options.random, rng)
    log(
        PROG,
        f"Read {counts.read} neural-network training examples, wrote {written}, "
        f"{counts.errors} examples had errors.",
    )
    return 0 if written else 1


def _keeps_bytes(options: Options, targets: Sequence[str]) -> bool:
    """Whether what is written is what was read, byte for byte."""
    changes = _selector(options).changes or options.weights or options.outputs
    return not changes and all(parse_wspecifier(target).binary for target in targets)


def _same(
    packed: PackedArchive, options: Options, rng: np.random.Generator, counts: Counts
) -> Iterator[tuple[str, bytes]]:
    for key, example in packed.items():
        counts.read += 1
        for _ in range(draw_count(options.keep_proportion, rng)):
            yield key, example


def _selector(options: Options, rng: np.random.Generator | None = None) -> FrameSelector:
    o = options
    rng = rng or np.random.default_rng(0)
    return FrameSelector(
        o.frame, o.left_context, o.right_context, o.frame_shift, rng, lambda m: warn(PROG, m)
    )


def _copies(
    options: Options, examples: str, rng: np.random.Generator, counts: Counts
) -> Iterator[tuple[str, NnetExample]]:
    """(key, example) as they are to be written, changed as the options say."""
    select = _selector(options, rng)
    for key, eg, weight, name in annotated(PROG, EXAMPLE, options, examples, counts):
        scaled = eg if weight is None else scale_output(eg, weight)
        for _ in range(draw_count(options.keep_proportion, rng)):
            chosen = select(scaled) if select.changes else scaled
            if chosen is not None:
                yield key, chosen if name is None else rename_output(chosen, name)


def annotated(
    prog: str, kind: Kind, options: CopyOptions, examples: str, counts: Counts
) -> Iterator[tuple[str, Any, float | None, str | None]]:
    """(key, example, weight, name of its output) of each example for which the tables of `options`, if there
    are any, have the two; the others are warned of and counted.
    """
    with ExitStack() as stack:

        def table(rspecifier: str, of: Kind) -> RandomAccess | None:
            return stack.enter_context(random_access(rspecifier, of)) if rspecifier else None

        weights, names = table(options.weights, FLOAT), table(options.outputs, TOKEN)
        for key, eg in read_table(examples, kind):
            counts.read += 1
            missing = [
                what
                for what, values in (("weight", weights), ("new output-name", names))
                if values is not None and key not in values
            ]
            if missing:
                warn(prog, f"No {missing[0]} for example key {key}")
                counts.errors += 1
            else:
                weight = None if weights is None else weights[key]
                yield key, eg, weight, None if names is None else names[key]


def deal_out(
    kind: Kind,
    copies: Iterable[tuple[str, Any]],
    targets: Sequence[str],
    at_random: bool,
    rng: np.random.Generator,
) -> int:
    """Write each copy to one of the tables, in turn or at random; how many there are."""
    written = 0
    with ExitStack() as stack:
        writers = [stack.enter_context(TableWriter(t, kind)) for t in targets]
        for key, eg in copies:
            turn = int(rng.integers(len(writers))) if at_random else written % len(writers)
            writers[turn].write(key, eg)
            written += 1
    return written


if __name__ == "__main__":
    raise SystemExit(main())

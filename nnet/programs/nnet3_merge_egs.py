"""nnet3-merge-egs: examples of one structure merged into minibatches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nnet.examples.merge import MergingStats, merge
from nnet.examples.minibatch_size import MinibatchSizes, parse_minibatch_sizes
from nnet.formats.examples import EXAMPLE, NnetExample
from nnet.formats.tables import Kind, TableWriter, read_table
from nnet.programs.program import log, option, run_program, warn

USAGE = """Merge training examples of equal structure into minibatches, each a single example.

Usage:  nnet3-merge-egs [options] <egs-rspecifier> <egs-wspecifier>
e.g. nnet3-merge-egs --minibatch-size=256,64 ark:egs.7.ark ark:-
"""
PROG = "nnet3-merge-egs"
SIZES = (
    "Minibatch sizes: 128, or 32,64, or 16:32,64, or by example size 128=64:128,256/256=32:64,128. "
    "The largest is used until the input ends, then smaller ones as allowed."
)


@dataclass
class Options:
    """Options of nnet3-merge-egs."""

    compress: bool = option(False, "If true, compress the output examples (useful only when writing to disk)")
    measure_output_frames: str = option("deprecated", "This value will be ignored")
    minibatch_size: str = option("256", SIZES)
    discard_partial_minibatches: str = option("deprecated", "This value will be ignored")
    multilingual_eg: bool = option(
        False, "Accepted for chain2 scripts; without effect here, as in Kaldi's program"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    return run_program(USAGE, Options, merge_egs, (2, 2), argv)


def merge_egs(options: Options, examples: str, merged: str) -> int:
    """Write the minibatches; 1 if there are none."""

    def minibatches(sizes: MinibatchSizes, stats: MergingStats) -> Iterator[tuple[str, NnetExample]]:
        source = (eg for _, eg in read_table(examples, EXAMPLE))
        return merge(source, sizes, options.compress, stats)

    return write_merged(PROG, EXAMPLE, options, minibatches, merged)


def write_merged(
    prog: str,
    kind: Kind,
    options: Options,
    minibatches: Callable[[MinibatchSizes, MergingStats], Iterable[tuple[str, Any]]],
    merged: str,
) -> int:
    """Write minibatches of type `kind`, made by sizes and counted in statistics; 1 if there are none."""
    for name in ("measure_output_frames", "discard_partial_minibatches"):
        if getattr(options, name) != "deprecated":
            warn(prog, f"The --{name.replace('_', '-')} option is deprecated and will be ignored.")
    sizes, stats = parse_minibatch_sizes(options.minibatch_size), MergingStats()
    with TableWriter(merged, kind) as writer:
        for key, eg in minibatches(sizes, stats):
            writer.write(key, eg)
    for line in stats.summary():
        log(prog, line)
    return 0 if stats.num_minibatches else 1


if __name__ == "__main__":
    raise SystemExit(main())

"""nnet3-chain-merge-egs: chain examples of one structure merged into minibatches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from nnet.examples.chain_merge import merge_chain
from nnet.examples.merge import MergingStats
from nnet.examples.minibatch_size import parse_minibatch_sizes
from nnet.formats.chain_examples import CHAIN_EXAMPLE, ChainExample
from nnet.formats.tables import TableWriter, read_table
from nnet.programs.program import log, option, run_program, warn

USAGE = """Merge chain examples of equal structure into minibatches, each a single example.

Usage:  nnet3-chain-merge-egs [options] <egs-rspecifier> <egs-wspecifier>
e.g. nnet3-chain-merge-egs --minibatch-size=64,32 ark:cegs.7.ark ark:-
"""
PROG = "nnet3-chain-merge-egs"


@dataclass
class Options:
    """Options of nnet3-chain-merge-egs."""

    compress: bool = option(False, "If true, compress the output examples (useful only when writing to disk)")
    measure_output_frames: str = option("deprecated", "This value will be ignored")
    minibatch_size: str = option(
        "64",
        "Minibatch sizes: 128, or 32,64, or 16:32,64, or by example size 128=64:128,256/256=32:64,128. "
        "The largest is used until the input ends, then smaller ones as allowed.",
    )
    discard_partial_minibatches: str = option("deprecated", "This value will be ignored")
    multilingual_eg: bool = option(
        False, "Keys end in ?lang=NAME: outputs are renamed to output-NAME and only merged within a language"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    return run_program(USAGE, Options, merge_egs, (2, 2), argv)


def merge_egs(options: Options, examples: str, merged: str) -> int:
    """Write the minibatches; 1 if there are none."""
    for name in ("measure_output_frames", "discard_partial_minibatches"):
        if getattr(options, name) != "deprecated":
            warn(PROG, f"The --{name.replace('_', '-')} option is deprecated and will be ignored.")
    sizes, stats = parse_minibatch_sizes(options.minibatch_size), MergingStats()
    with TableWriter(merged, CHAIN_EXAMPLE) as writer:
        source = _examples(examples, options.multilingual_eg)
        for key, eg in merge_chain(source, sizes, options.compress, stats, options.multilingual_eg):
            writer.write(key, eg)
    for line in stats.summary():
        log(PROG, line)
    return 0 if stats.num_minibatches else 1


def _examples(rspecifier: str, multilingual: bool) -> Iterator[ChainExample]:
    for key, eg in read_table(rspecifier, CHAIN_EXAMPLE):
        if multilingual:
            found = re.search(r"\?(?:.*&)?lang=([^&]*)$|\?(?:.*&)?lang=([^&]*)&", key)
            if found is None:
                raise ValueError(
                    f"the key {key} names no language (?lang=NAME), as --multilingual-eg wants it"
                )
            name = f"output-{found[1] or found[2]}"
            yield ChainExample(eg.inputs, [replace(eg.outputs[0], name=name), *eg.outputs[1:]])
        else:
            yield eg


if __name__ == "__main__":
    raise SystemExit(main())

"""nnet3-chain-merge-egs: chain examples of one structure merged into minibatches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from nnet.examples.chain_merge import merge_chain
from nnet.examples.merge import MergingStats
from nnet.examples.minibatch_size import MinibatchSizes
from nnet.formats.chain_examples import CHAIN_EXAMPLE, ChainExample
from nnet.formats.tables import read_table
from nnet.programs import nnet3_merge_egs
from nnet.programs.program import option, run_program

USAGE = """Merge chain examples of equal structure into minibatches, each a single example.

Usage:  nnet3-chain-merge-egs [options] <egs-rspecifier> <egs-wspecifier>
e.g. nnet3-chain-merge-egs --minibatch-size=64,32 ark:cegs.7.ark ark:-
"""
PROG = "nnet3-chain-merge-egs"


@dataclass
class Options(nnet3_merge_egs.Options):
    """Options of nnet3-chain-merge-egs."""

    minibatch_size: str = option("64", nnet3_merge_egs.SIZES)
    multilingual_eg: bool = option(
        False, "Keys end in ?lang=NAME: outputs are renamed to output-NAME and only merged within a language"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    return run_program(USAGE, Options, merge_egs, (2, 2), argv)


def merge_egs(options: Options, examples: str, merged: str) -> int:
    """Write the minibatches; 1 if there are none."""

    def minibatches(sizes: MinibatchSizes, stats: MergingStats) -> Iterator[tuple[str, ChainExample]]:
        source = _examples(examples, options.multilingual_eg)
        return merge_chain(source, sizes, options.compress, stats, options.multilingual_eg)

    return nnet3_merge_egs.write_merged(PROG, CHAIN_EXAMPLE, options, minibatches, merged)


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

"""nnet3-chain-normalize-egs: chain examples with the costs of the denominator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnet.examples.chain_make import Normalization, normalized
from nnet.formats.chain_examples import CHAIN_EXAMPLE
from nnet.formats.fst import read_fst_file
from nnet.formats.tables import TableWriter, read_table
from nnet.programs.program import log, option, run_program, warn

PROG = "nnet3-chain-normalize-egs"
USAGE = """
Add the costs of the normalization FST to chain examples; to be done if, and only if, nnet3-chain-get-egs was
not given it.

Usage:  nnet3-chain-normalize-egs [options] <normalization-fst> <egs-rspecifier> <egs-wspecifier>
e.g.:   nnet3-chain-normalize-egs dir/normalization.fst ark:train_in.cegs ark:train_out.cegs
"""


@dataclass
class Options:
    """Options of nnet3-chain-normalize-egs."""

    normalization_fst_scale: float = option(1.0, "Scale of the costs of the normalization FST")


def main(argv: Sequence[str] | None = None) -> int:
    """Run nnet3-chain-normalize-egs."""
    return run_program(USAGE, Options, run, (3, 3), argv)


def run(options: Options, normalization_fst: str, examples: str, complete: str) -> int:
    """Complete the table `examples`; 1 if nothing could be written."""
    normalization = Normalization.scaled(read_fst_file(normalization_fst), options.normalization_fst_scale)
    done = failed = 0
    with TableWriter(complete, CHAIN_EXAMPLE) as out:
        for key, example in read_table(examples, CHAIN_EXAMPLE):
            try:
                ready = normalized(example, normalization)
            except ValueError as error:
                raise ValueError(f"example {key}: {error}") from None
            if ready is None:
                warn(PROG, f"For example {key}, FST was empty after composing with normalization FST")
                failed += 1
            else:
                out.write(key, ready)
                done += 1
    log(PROG, f"Added normalization to {done} egs; had errors on {failed}")
    return 0 if done else 1


if __name__ == "__main__":
    raise SystemExit(main())

"""chain-make-den-fst: the denominator graph of LF-MMI and the normalization FST."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnet.chain.den_graph import make_den_fst
from nnet.chain.normalization import normalization_fst
from nnet.formats.fst import read_fst_file, write_fst_file
from nnet.formats.transitions import read_transition_model
from nnet.formats.tree import read_tree
from nnet.programs.program import log, run_program

PROG = "chain-make-den-fst"
USAGE = """
Make the denominator FST for LF-MMI training, an acceptor of pdf + 1 without epsilons, and the normalization
FST: the same with other initial and final probabilities, which is used when examples are made.

Usage:  chain-make-den-fst [options] <tree> <transition-model> <phone-lm-fst> <den-fst-out> <norm-fst-out>
e.g.:   chain-make-den-fst dir/tree dir/0.trans_mdl dir/phone_lm.fst dir/den.fst dir/normalization.fst
"""


@dataclass
class Options:
    """Options of chain-make-den-fst: none of its own."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run chain-make-den-fst."""
    return run_program(USAGE, Options, run, (5, 5), argv)


def run(options: Options, tree: str, transitions: str, phone_lm: str, den_fst: str, norm_fst: str) -> None:
    """Expand `phone_lm` by `tree` and `transitions`; write the results to `den_fst` and `norm_fst`."""
    den = make_den_fst(
        read_tree(tree),
        read_transition_model(transitions),
        read_fst_file(phone_lm),
        lambda line: log(PROG, line),
    )
    write_fst_file(den_fst, den)
    write_fst_file(norm_fst, normalization_fst(den))
    log(PROG, f"Write denominator FST to {den_fst} and normalization FST to {norm_fst}")


if __name__ == "__main__":
    raise SystemExit(main())

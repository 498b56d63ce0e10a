"""steps/chain/e2e/train_e2e.py: trains an acoustic model with the LF-MMI objective from transcripts alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from steps.script import run_script

HEADING = """Train an acoustic model with the LF-MMI ("chain") objective, without alignments or lattices.

Usage: steps/chain/e2e/train_e2e.py [options] --feat-dir DATA --tree-dir TREE --dir DIR
e.g.:  steps/chain/e2e/train_e2e.py --chain.leaky-hmm-coefficient 0.1 --chain.l2-regularize 0.00005 \\
         --feat-dir data/train_spe2e --tree-dir exp/chain/e2e_tree --dir exp/chain/e2e

DATA holds utterances of a few lengths, as steps.chain.e2e.perturb makes them; TREE is what
steps.chain.e2e.prepare makes; DIR/configs is what xconfig-to-configs writes. A run that was interrupted goes
on when the same command is given again.

--chain.l2-regularize acts on the outputs of the network; what keeps parameters small is l2-regularize in the
xconfig."""


def main(argv: Sequence[str] | None = None) -> int:
    """Train; returns the exit status."""
    options, module = "steps.chain.e2e.options.E2eOptions", "steps.chain.e2e.training"
    return run_script("chain/e2e/train_e2e.py", HEADING, options, module, argv)


if __name__ == "__main__":
    sys.exit(main())

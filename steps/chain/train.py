"""steps/chain/train.py: trains an acoustic model with the LF-MMI objective from lattices, as Kaldi's script
does.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from steps.script import run_script

HEADING = """Train an acoustic model with the LF-MMI ("chain") objective, from features, lattices and a tree.

Usage: steps/chain/train.py [options] --feat-dir DATA --tree-dir TREE --lat-dir LATS --dir DIR
e.g.:  steps/chain/train.py --chain.xent-regularize 0.1 --chain.leaky-hmm-coefficient 0.1 \\
         --feat-dir data/train --tree-dir exp/chain/tree --lat-dir exp/tri3_lats --dir exp/chain/tdnn

DIR/configs is what xconfig-to-configs writes. A run that was interrupted goes on when the same command is
given again. What is done stays, whatever --stage says: --stage=N only skips what comes before N. With
--restart=true as well, everything from N on is discarded and done again.

--chain.l2-regularize acts on the outputs of the network; what keeps parameters small is l2-regularize in the
xconfig."""


def main(argv: Sequence[str] | None = None) -> int:
    """Train; returns the exit status."""
    options, module = "steps.chain.options.LatticeOptions", "steps.chain.lattice_training"
    return run_script("chain/train.py", HEADING, options, module, argv)


if __name__ == "__main__":
    sys.exit(main())

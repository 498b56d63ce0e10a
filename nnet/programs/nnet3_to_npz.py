"""nnet3-to-npz: a model's parameters, statistics and settings as a numpy archive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnet.export.npz import save_npz
from nnet.formats.model import read_nnet
from nnet.programs.program import log, run_program

PROG = "nnet3-to-npz"
USAGE = """
Write a model (raw, or .mdl) as a numpy archive: arrays COMPONENT.FIELD, e.g. tdnn1.affine.W of shape
(outputs, inputs), COMPONENT.type, and `config`, the lines of the network's nodes.

Usage:  nnet3-to-npz [options] <nnet-in> <npz-out>
e.g.:   nnet3-to-npz final.raw final.npz
"""


@dataclass
class Options:
    """nnet3-to-npz has no options of its own."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run nnet3-to-npz."""
    return run_program(USAGE, Options, run, (2, 2), argv)


def run(options: Options, model: str, target: str) -> None:
    """Write the archive."""
    count = save_npz(read_nnet(model), target)
    log(PROG, f"Wrote {count} arrays of {model} to {target}")


if __name__ == "__main__":
    raise SystemExit(main())

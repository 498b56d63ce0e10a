"""nnet3-info: what a raw network consists of, as text."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from nnet.programs.program import run_program

USAGE = """
Prints contexts, dimensions, nodes and components of a raw network (or of the network in a .mdl file).

Usage: nnet3-info <raw-nnet>
"""


@dataclass
class Options:
    """nnet3-info has no options of its own."""


def run(options: Options, name: str) -> None:
    """Read and print."""
    from nnet.formats.model import read_nnet  # noqa: PLC0415 - not needed for --help
    from nnet.graph.info import nnet_info  # noqa: PLC0415

    sys.stdout.write(nnet_info(read_nnet(name)))


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status."""
    return run_program(USAGE, Options, run, (1, 1), argv)


if __name__ == "__main__":
    raise SystemExit(main())

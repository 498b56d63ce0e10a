"""nnet3-am-info: what an acoustic model consists of, as text."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nnet.programs.program import run_program

USAGE = """
Prints dimensions and priors of an acoustic model, then what nnet3-info prints of its network.

Usage: nnet3-am-info <nnet>
"""


@dataclass
class Options:
    """nnet3-am-info has no options of its own."""


def run(options: Options, name: str) -> None:
    """Read and print."""
    from nnet.formats.model import read_am  # noqa: PLC0415 - not needed for --help
    from nnet.graph.info import nnet_info  # noqa: PLC0415

    am = read_am(name)
    sys.stdout.write(_am_info(am) + nnet_info(am.nnet))


def _am_info(am: Any) -> str:
    """The lines before the network's (Kaldi's AmNnetSimple::Info)."""
    dims = {n: am.nnet.dim(n) if n in am.nnet.nodes else -1 for n in ("input", "ivector", "output")}
    lines = [
        f"input-dim: {dims['input']}",
        f"ivector-dim: {dims['ivector']}",
        f"num-pdfs: {dims['output']}",
        f"prior-dimension: {am.priors.size}",
    ]
    if am.priors.size:
        lines += [
            f"prior-sum: {am.priors.sum():.6g}",
            f"prior-min: {am.priors.min():.6g}",
            f"prior-max: {am.priors.max():.6g}",
        ]
    return "\n".join([*lines, "# Nnet info follows.", ""])


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status."""
    return run_program(USAGE, Options, run, (1, 1), argv)


if __name__ == "__main__":
    raise SystemExit(main())

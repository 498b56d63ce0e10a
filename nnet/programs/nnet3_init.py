"""nnet3-init: a raw network from a config file, or an old network with a config on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from nnet.programs.program import log, option, run_program, warn

PROG = "nnet3-init"
USAGE = """
Makes a raw network of the nodes and components that a config file describes; random parameters are drawn.
With an old network given, the config's lines add to its nodes and components, or replace those that have
the same name.

Usage: nnet3-init [options] [<raw-nnet-in>] <config-in> <raw-nnet-out>
 e.g.: nnet3-init --srand=1 final.config 0.raw
       nnet3-init init.raw final.config 0.raw
"""


@dataclass
class Options:
    """Options of nnet3-init."""

    binary: bool = option(True, "Write the network in binary form")
    srand: int = option(0, "Seed of the random parameters")


def run(options: Options, *names: str) -> None:
    """Read, build, write."""
    import numpy as np  # noqa: PLC0415 - not needed for --help

    from nnet.formats.config import read_config  # noqa: PLC0415
    from nnet.formats.model import read_nnet, write_nnet  # noqa: PLC0415
    from nnet.graph.groups import check_cycles  # noqa: PLC0415

    *old, config, new = names
    base = read_nnet(old[0]) if old else None
    if old:
        log(PROG, f"Read raw neural net from {old[0]}")
    if options.srand < 0:
        rng = np.random.default_rng(
            [-options.srand, 1]
        )  # seeds are negative in Kaldi's scripts, never in numpy
    else:
        rng = np.random.default_rng(options.srand)
    nnet = read_config(config, base, rng, partial(warn, PROG))
    check_cycles(nnet, nnet.output_names())
    write_nnet(nnet, new, options.binary)
    log(PROG, f"Initialized raw neural net and wrote it to {new}")


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status."""
    return run_program(USAGE, Options, run, (2, 3), argv)


if __name__ == "__main__":
    raise SystemExit(main())

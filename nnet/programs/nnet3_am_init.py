"""nnet3-am-init: joins a raw network with a transition model into an acoustic model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnet.programs.program import log, option, run_program

PROG = "nnet3-am-init"
USAGE = """
Makes an acoustic model of a transition model and a raw network. It has no priors yet: they come from
nnet3-am-adjust-priors, or with new transition probabilities from nnet3-am-train-transitions.

Usage: nnet3-am-init [options] <tree-in> <topology-in> <raw-nnet-in> <nnet-out>
   or: nnet3-am-init [options] <transition-model-in> <raw-nnet-in> <nnet-out>
 e.g.: nnet3-am-init ali/final.mdl final.raw final.mdl
"""


@dataclass
class Options:
    """Options of nnet3-am-init."""

    binary: bool = option(True, "Write the model in binary form")


def run(options: Options, *names: str) -> None:
    """Read, join, write."""
    from nnet.formats.model import am_nnet, read_nnet, write_am  # noqa: PLC0415 - not needed for --help
    from nnet.formats.topology import read_topology_file  # noqa: PLC0415
    from nnet.formats.transitions import read_transition_model, transition_model  # noqa: PLC0415
    from nnet.formats.tree import read_tree  # noqa: PLC0415

    *origin, raw, new = names
    if len(origin) == 1:
        transitions = read_transition_model(origin[0])
    else:
        transitions = transition_model(read_tree(origin[0]), read_topology_file(origin[1]))
    write_am(am_nnet(transitions, read_nnet(raw)), new, options.binary)
    log(PROG, f"Initialized am-nnet (neural net acoustic model) and wrote to {new}")


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status."""
    return run_program(USAGE, Options, run, (3, 4), argv)


if __name__ == "__main__":
    raise SystemExit(main())

"""nnet3-am-copy: copies an acoustic model, or its network alone, with changes on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnet.programs.program import log, option, run_program, warn

if TYPE_CHECKING:
    from nnet.formats.model import AmNnet
    from nnet.graph.network import Nnet

PROG = "nnet3-am-copy"
USAGE = """
Copies an acoustic model (transition model, network, priors), and changes what the options ask for, in this
order: set-raw-nnet, nnet-config, convert-repeated-to-block, learning-rate, edits-config, edits, scale,
prepare-for-test.
--prepare-for-test sets the test modes of batch-norm and dropout; components are not merged into each other
as Kaldi does, so the result computes the same but keeps its size.

Usage: nnet3-am-copy [options] <nnet-in> <nnet-out>
 e.g.: nnet3-am-copy --edits='remove-orphans' final.mdl smaller.mdl
       nnet3-am-copy --raw=true final.mdl final.raw
"""


@dataclass
class Options:
    """Options of nnet3-am-copy."""

    binary: bool = option(True, "Write the model in binary form")
    raw: bool = option(False, "Write the network alone, without transition model and priors")
    set_raw_nnet: str = option("", "File with a network that replaces the model's")
    convert_repeated_to_block: bool = option(
        False, "Turn components with repeated blocks into ones with blocks"
    )
    learning_rate: float = option(-1.0, "If not negative, learning rate of all updatable components")
    nnet_config: str = option("", "Config file whose nodes and components are added or replaced")
    edits_config: str = option("", "File with edit directives, one per line")
    edits: str = option("", "Edit directives, separated by semicolons")
    scale: float = option(1.0, "Factor for all parameters and statistics")
    prepare_for_test: bool = option(False, "Set the test modes of batch-norm and dropout")


def run(options: Options, old: str, new: str) -> None:
    """Read, change, write."""
    from nnet.combination import set_test_modes  # noqa: PLC0415 - not needed for --help
    from nnet.components.block import unrepeated  # noqa: PLC0415
    from nnet.formats.model import read_am, read_nnet, write_am, write_nnet  # noqa: PLC0415
    from nnet.graph.network import Nnet  # noqa: PLC0415
    from nnet.programs.model_edits import configured, edited, scaled, set_learning_rate  # noqa: PLC0415

    am = read_am(old)
    if options.set_raw_nnet:
        am = _with_nnet(am, read_nnet(options.set_raw_nnet))
    nnet = configured(am.nnet, options.nnet_config, PROG)
    if options.convert_repeated_to_block:
        nnet = Nnet(nnet.nodes, {name: unrepeated(c) for name, c in nnet.components.items()})
    set_learning_rate(nnet, options.learning_rate)
    nnet = edited(nnet, options.edits_config, options.edits, PROG)
    if nnet is not am.nnet:
        am = _with_nnet(am, nnet)
    scaled(nnet, options.scale)
    if options.prepare_for_test:
        set_test_modes(nnet, True, True)
    if options.raw:
        write_nnet(am.nnet, new, options.binary)
    else:
        write_am(am, new, options.binary)
    log(PROG, f"Copied neural net from {old} to {'raw format as ' if options.raw else ''}{new}")


def _with_nnet(am: AmNnet, nnet: Nnet) -> AmNnet:
    """The model with another network, and without its priors if they are not for as many outputs."""
    changed = am.with_nnet(nnet)
    if changed.priors.size != am.priors.size:
        warn(
            PROG,
            "Removing priors since there is a dimension mismatch after changing the nnet: "
            f"{am.priors.size} vs. {nnet.output_dim('output')}",
        )
    return changed


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status."""
    return run_program(USAGE, Options, run, (2, 2), argv)


if __name__ == "__main__":
    raise SystemExit(main())

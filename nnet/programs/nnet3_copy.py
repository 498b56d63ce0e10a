"""nnet3-copy: copies a raw network, binary or text, with changes on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnet.programs.program import log, option, run_program

PROG = "nnet3-copy"
USAGE = """
Copies a raw network (or the network of a .mdl file), and changes what the options ask for, in this order:
nnet-config, learning-rate, scale, edits-config, edits, test modes.
--prepare-for-test sets the test modes of batch-norm and dropout; components are not merged into each other
as Kaldi does, so the result computes the same but keeps its size.

Usage: nnet3-copy [options] <raw-nnet-in> <raw-nnet-out>
 e.g.: nnet3-copy --binary=false 80.raw -
       nnet3-copy --edits='remove-orphans; set-learning-rate learning-rate=0.01' 0.raw 1.raw
"""


@dataclass
class Options:
    """Options of nnet3-copy."""

    binary: bool = option(True, "Write the network in binary form")
    learning_rate: float = option(-1.0, "If not negative, learning rate of all updatable components")
    nnet_config: str = option("", "Config file whose nodes and components are added or replaced")
    edits_config: str = option("", "File with edit directives, one per line")
    edits: str = option("", "Edit directives, separated by semicolons")
    scale: float = option(1.0, "Factor for all parameters and statistics")
    prepare_for_test: bool = option(False, "Set the test modes of batch-norm and dropout")
    batchnorm_test_mode: bool = option(False, "Test mode of batch-norm unless --prepare-for-test is given")


def run(options: Options, old: str, new: str) -> None:
    """Read, change, write."""
    from nnet.combination import set_test_modes  # noqa: PLC0415 - not needed for --help
    from nnet.formats.model import read_nnet, write_nnet  # noqa: PLC0415
    from nnet.programs.model_edits import configured, edited, scaled, set_learning_rate  # noqa: PLC0415

    nnet = configured(read_nnet(old), options.nnet_config, PROG)
    set_learning_rate(nnet, options.learning_rate)
    scaled(nnet, options.scale)
    nnet = edited(nnet, options.edits_config, options.edits, PROG)
    if options.prepare_for_test:
        set_test_modes(nnet, True, True)
    else:
        set_test_modes(nnet, options.batchnorm_test_mode, None)
    write_nnet(nnet, new, options.binary)
    log(PROG, f"Copied raw neural net from {old} to {new}")


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status."""
    return run_program(USAGE, Options, run, (2, 2), argv)


if __name__ == "__main__":
    raise SystemExit(main())

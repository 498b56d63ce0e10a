"""xconfig-to-configs: the config files of a network from an xconfig file (Kaldi's xconfig_to_configs.py)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from nnet.programs.program import log, option, program_name, run_program, warn

if TYPE_CHECKING:
    from nnet.graph.network import Nnet

USAGE = """
Reads an xconfig file and creates config files for the network it describes.
Usage: xconfig-to-configs --xconfig-file=<xconfig-in> --config-dir=<dir> [options]
e.g.: xconfig-to-configs --xconfig-file=exp/configs/network.xconfig --config-dir=exp/configs
An option and its value may also stand apart: --config-dir exp/configs
"""


@dataclass
class Options:
    """Options of xconfig-to-configs."""

    xconfig_file: str = option("", "The xconfig file")
    config_dir: str = option("", "Directory for the config files; made if there is none")
    existing_model: str = option("", "Model (raw or mdl) that is added to; its nodes can be read")
    nnet_edits: str = option("", "Edits before the context is computed, e.g. to name a node 'output'")


def main(argv: Sequence[str] | None = None) -> int:
    """Run xconfig-to-configs."""
    return run_program(
        USAGE, Options, xconfig_to_configs, (0, 0), _joined(sys.argv[1:] if argv is None else argv)
    )


def _joined(argv: Sequence[str]) -> list[str]:
    """`--option value` as `--option=value`; every option of this program takes a value."""
    known = {"--" + name.replace("_", "-") for name in Options.__dataclass_fields__}
    words: list[str] = []
    for word in argv:
        if words and words[-1] in known:
            words[-1] += "=" + word
        else:
            words.append(word)
    return words


def xconfig_to_configs(options: Options) -> None:
    """Write the files of the config directory."""
    from xconfig.generate import write_configs  # noqa: PLC0415 - fast start
    from xconfig.parser import parse_xconfig  # noqa: PLC0415 - fast start

    for name in ("xconfig_file", "config_dir"):
        if not getattr(options, name):
            raise ValueError(f"--{name.replace('_', '-')} must be given")
    with open(options.xconfig_file, encoding="utf-8", errors="replace") as stream:
        text = stream.read()
    existing = _existing(options.existing_model)
    dims = {name: existing.dim(name) for name in existing.nodes} if existing else {}
    network = parse_xconfig(text.splitlines(), options.xconfig_file, dims)
    write_configs(network, options.config_dir, text, _command(options))
    _write_context(options, existing)


def _existing(name: str) -> Nnet | None:
    from nnet.formats.model import read_nnet  # noqa: PLC0415 - fast start

    return read_nnet(name) if name else None


def _command(options: Options) -> str:
    given = {name: value for name, value in vars(options).items() if value}
    return " ".join(["xconfig-to-configs", *(f"--{n.replace('_', '-')}={v}" for n, v in given.items())])


def _write_context(options: Options, existing: Nnet | None) -> None:
    """Write ref.raw, vars and, given an init.config, init.raw, which must not read more context."""
    from nnet.files import atomic_write  # noqa: PLC0415 - fast start

    init = f"{options.config_dir}/init.config"
    ref_context = _make_model(f"{options.config_dir}/ref", existing, options.nnet_edits)
    if os.path.exists(init):
        init_context = _make_model(f"{options.config_dir}/init", existing, "")
        for side, wide, limit in zip(("left", "right"), init_context, ref_context):
            if wide > limit:
                raise ValueError(
                    f"{init} reads {wide} frames of {side} context, the network only {limit}; if its output "
                    "is delayed, give the fixed-affine-layer delay=... as well"
                )
    with atomic_write(f"{options.config_dir}/vars", text=True) as stream:
        stream.write("model_left_context={}\nmodel_right_context={}\n".format(*ref_context))


def _make_model(path: str, existing: Nnet | None, edits: str) -> tuple[int, int]:
    """Make `path`.raw from `path`.config; its left and right context in frames, after `edits`."""
    from nnet.edits import Report, edit, split_edits  # noqa: PLC0415 - fast start
    from nnet.formats.config import read_config  # noqa: PLC0415 - fast start
    from nnet.formats.model import write_nnet  # noqa: PLC0415 - fast start
    from nnet.graph.context import context  # noqa: PLC0415 - fast start

    prog = program_name(xconfig_to_configs)
    nnet = read_config(f"{path}.config", existing)
    write_nnet(nnet, f"{path}.raw")
    if edits:
        nnet = edit(
            nnet.copy(), split_edits(edits), Report(partial(log, prog), partial(warn, prog)), "--nnet-edits"
        )
    return context(nnet)


if __name__ == "__main__":
    sys.exit(main())

"""xconfig-to-configs: the config files of a network from an xconfig file (Kaldi's xconfig_to_configs.py)."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from nnet.programs.config_directory import replacing
from nnet.programs.program import log, option, program_name, run_program, warn

if TYPE_CHECKING:
    import numpy as np

    from nnet.graph.network import Nnet
    from xconfig.parser import Network

USAGE = """
Layers of an xconfig file -> the config directory that training starts from: configs, ref.raw, vars.
If something is wrong the directory stays as it was.

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
    from xconfig.generate import write_configs, write_matrices  # noqa: PLC0415 - fast start
    from xconfig.parser import parse_xconfig  # noqa: PLC0415 - fast start

    for name in ("xconfig_file", "config_dir"):
        if not getattr(options, name):
            raise ValueError(f"--{name.replace('_', '-')} must be given")
    with open(options.xconfig_file, encoding="utf-8", errors="replace") as stream:
        text = stream.read()
    existing = _existing(options.existing_model)
    dims = {name: existing.dim(name) for name in existing.nodes} if existing else {}
    network = parse_xconfig(text.splitlines(), options.xconfig_file, dims)
    with replacing(options.config_dir) as new:
        write_configs(network, new, text, _command(options))
        _write_context(options, network, existing, new)
        write_matrices(network)


def _existing(name: str) -> Nnet | None:
    from nnet.formats.model import read_nnet  # noqa: PLC0415 - fast start

    return read_nnet(name) if name else None


def _command(options: Options) -> str:
    given = {name: value for name, value in vars(options).items() if value}
    return " ".join(["xconfig-to-configs", *(f"--{n.replace('_', '-')}={v}" for n, v in given.items())])


def _write_context(options: Options, network: Network, existing: Nnet | None, folder: str) -> None:
    """Write ref.raw, vars and, given an init.config, init.raw, which must not read more context."""
    from nnet.files import atomic_write  # noqa: PLC0415 - fast start

    def model_context(config: str, edits: str) -> tuple[int, int]:
        nnet = _make_model(options.xconfig_file, network, existing, f"{folder}/{config}")
        return _context(nnet, edits)

    ref_context = model_context("ref", options.nnet_edits)
    if os.path.exists(f"{folder}/init.config"):
        for side, wide, limit in zip(("left", "right"), model_context("init", ""), ref_context):
            if wide > limit:
                raise ValueError(
                    f"{options.xconfig_file}: init.config reads {wide} frames of {side} context, the network "
                    f"only {limit}; if its output is delayed, give the fixed-affine-layer delay=... as well"
                )
    with atomic_write(f"{folder}/vars", text=True) as stream:
        stream.write("model_left_context={}\nmodel_right_context={}\n".format(*ref_context))


def _make_model(xconfig: str, network: Network, existing: Nnet | None, path: str) -> Nnet:
    """Make `path`.raw from `path`.config. Raises ValueError naming the line of the xconfig file."""
    from nnet.factory import make_component  # noqa: PLC0415 - fast start
    from nnet.formats.config import config_text  # noqa: PLC0415 - fast start
    from nnet.formats.model import write_nnet  # noqa: PLC0415 - fast start
    from nnet.graph.network import Nnet  # noqa: PLC0415 - fast start

    config = os.path.basename(path) + ".config"
    lines = config_text(f"{path}.config")
    try:
        nnet = Nnet.from_config(
            lines, make_component, base=existing, where=config, load_matrix=partial(_load, network)
        )
    except ValueError as error:
        raise ValueError(_placed(str(error), xconfig, config, lines, network)) from None
    write_nnet(nnet, f"{path}.raw")
    return nnet


def _load(network: Network, name: str) -> np.ndarray:
    """The matrix in a file, or in what a layer is about to write there."""
    from nnet.formats.config import load_array  # noqa: PLC0415 - fast start

    if name not in network.files:
        return load_array(name)
    with NamedTemporaryFile("w", suffix=".mat") as stream:
        stream.write(network.files[name])
        stream.flush()
        return load_array(stream.name)


def _placed(message: str, xconfig: str, config: str, lines: list[str], network: Network) -> str:
    """The message with the line of the xconfig file in place of that of `config`, where a layer made it."""
    found = re.match(re.escape(config) + r":(\d+): ", message)
    name = re.search(r"\bname=(\S+)", lines[int(found.group(1)) - 1]) if found else None
    layer = network.layer_of(name.group(1)) if name else None
    if found is None or layer is None:
        return f"{xconfig}: {message}"
    return f"{xconfig}:{network.numbers[layer.name]}: {layer.kind} {layer.name}: {message[found.end() :]}"


def _context(nnet: Nnet, edits: str) -> tuple[int, int]:
    """The left and right context in frames, after `edits`."""
    from nnet.edits import Report, edit, split_edits  # noqa: PLC0415 - fast start
    from nnet.graph.context import context  # noqa: PLC0415 - fast start

    if edits:
        prog = program_name(xconfig_to_configs)
        report = Report(partial(log, prog), partial(warn, prog))
        nnet = edit(nnet.copy(), split_edits(edits), report, "--nnet-edits")
    return context(nnet)


if __name__ == "__main__":
    sys.exit(main())

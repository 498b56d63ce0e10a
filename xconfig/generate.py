"""Text files of a configs directory: the xconfig, its expansions, init.config, ref.config, final.config."""

from __future__ import annotations

import os
import re

from nnet.files import atomic_write
from xconfig.layer import Layer, options_of
from xconfig.parser import Network

_CONTENT = {
    "xconfig": "A copy of the xconfig file that the other files here were made from.",
    "xconfig.expanded.1": "The same layers with every option written out.",
    "xconfig.expanded.2": "The same layers with every option written out and inputs spelled in full.",
    "init.config": "The input as it is read by the transform that is to be estimated.",
    "ref.config": "The network with random numbers for matrices read from files, made to find the context.",
    "final.config": "The network.",
}


def write_matrices(network: Network) -> None:
    """Write the matrices that layers make, where the xconfig file wants them. Raises OSError."""
    for path, matrix in network.files.items():
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        _write(path, matrix)


def write_configs(network: Network, directory: str, text: str, command: str) -> None:
    """Write the text files of a configs directory, which exists.

    `text` is the xconfig file's content, `command` what stands in the first line of each file. init.config is
    written only if a layer gave it an output. Raises OSError.
    """
    lines: dict[str, list[str]] = {
        "xconfig": [line.strip() for line in text.splitlines()],
        "xconfig.expanded.1": [expanded(layer) for layer in network.layers],
        "xconfig.expanded.2": [expanded(layer, normalised=True) for layer in network.layers],
        **{f"{name}.config": content for name, content in network.configs.items()},
    }
    if not any(line.startswith("output-node ") for line in lines["init.config"]):
        del lines["init.config"]
    for name, content in lines.items():
        head = [f"# Made by: {' '.join(command.split())}", f"# {_CONTENT[name]}", ""]
        _write(f"{directory}/{name}", "\n".join([*head, *content]) + "\n")


def expanded(layer: Layer, normalised: bool = False) -> str:
    """The layer as a line with all its options, in alphabetical order."""
    words = [f"{layer.kind} name={layer.name}"]
    for key, field in sorted(options_of(layer.kind).items()):
        value = layer.normalised if normalised and key == "input" else getattr(layer, field.name)
        words.append(f'{key}="{value}"' if re.search("=", str(value)) else f"{key}={value}")
    return " ".join(words)


def _write(path: str, content: str) -> None:
    with atomic_write(path, text=True) as stream:
        stream.write(content)

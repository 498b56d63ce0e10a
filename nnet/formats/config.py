"""Networks from config files: the components that lines name, and the matrices that they load."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnet.component import Component
from nnet.components import TYPES
from nnet.config_line import ConfigLine
from nnet.formats.basic import KaldiInput, open_input
from nnet.formats.components import layout_of
from nnet.graph.network import Nnet


def make_component(line: ConfigLine, rng: np.random.Generator) -> Component:
    """The component of a line `component name=... type=... ...` (Kaldi's InitFromConfig).

    Raises ValueError naming line and key for an unknown type or option.
    """
    name, type_name = line.str("name"), line.str("type")
    if type_name not in TYPES:
        try:
            layout_of(type_name)
        except ValueError as error:
            raise ValueError(f"{line.where}: component {name}: {error}") from None
        raise ValueError(f"{line.where}: component {name}: the type {type_name} cannot be used yet")
    component = TYPES[type_name].configure(line, rng)
    line.finish()
    return component


def read_config(
    name: str,
    base: Nnet | None = None,
    rng: np.random.Generator | None = None,
    warn: Callable[[str], None] | None = None,
) -> Nnet:
    """The network of a config file (Kaldi rxfilename), on top of `base` if given. Raises ValueError."""
    lines = config_text(name)
    return Nnet.from_config(
        lines, make_component, base=base, where=name, load_matrix=load_array, rng=rng, warn=warn
    )


def config_text(name: str) -> list[str]:
    """The lines of a config file. Raises FormatError if it is binary."""
    with open_input(name) as src:
        if src.binary:
            src.error("expected a config, which is text, found a binary file")
        lines = []
        while not src.at_end():
            lines.append(src.line())
        return lines


def load_array(name: str) -> np.ndarray:
    """The float32 matrix (rows, columns) or vector (D,) in a file, as config keys like matrix= name them."""
    with open_input(name) as src:
        is_vector = src.peek_token() in ("FV", "DV") if src.binary else _is_text_vector(src)
        return src.vector(np.float32) if is_vector else src.matrix(np.float32)


def _is_text_vector(src: KaldiInput) -> bool:
    """Whether the bracket closes on the line where it opens; a matrix has a line for each row."""
    src.skip_space()
    src.ahead(1 << 16)
    start = src.buffer[src.position :]
    return b"]" in start.partition(b"\n")[0]

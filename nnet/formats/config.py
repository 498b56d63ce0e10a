"""Networks from config files, and the matrices that their lines load."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnet.factory import make_component
from nnet.formats.basic import KaldiInput, open_input, open_whole
from nnet.graph.network import Nnet


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
    with open_whole(name) as src:
        is_vector = src.peek_token() in ("FV", "DV") if src.binary else _is_text_vector(src)
        return src.vector(np.float32) if is_vector else src.matrix(np.float32)


def _is_text_vector(src: KaldiInput) -> bool:
    """Whether the bracket closes on the line where it opens; a matrix has a line for each row."""
    src.skip_space()
    src.ahead(1 << 16)
    start = src.buffer[src.position :]
    return b"]" in start.partition(b"\n")[0]

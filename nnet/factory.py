"""Components from config lines: looks up the type and lets it configure itself."""

from __future__ import annotations

import difflib

import numpy as np

from nnet.component import Component
from nnet.components import TYPES
from nnet.config_line import ConfigLine


def make_component(line: ConfigLine, rng: np.random.Generator) -> Component:
    """The component of a `component name=.. type=..` line, random parameters drawn from `rng`.

    Raises ValueError for an unknown type or option, naming the nearest known one.
    """
    name, kind = line.str("name"), line.str("type")
    if kind not in TYPES:
        near = difflib.get_close_matches(kind, TYPES, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"{line.where}: component {name}: there is no type {kind}{hint}")
    component = TYPES[kind].configure(line, rng)
    line.finish()
    return component

"""Components from config lines: looks up the type and lets it configure itself."""

from __future__ import annotations

import difflib

import numpy as np

from nnet.component import Component
from nnet.components import REFUSED, TYPES
from nnet.config_line import ConfigLine


def make_component(line: ConfigLine, rng: np.random.Generator) -> Component:
    """The component of a `component name=.. type=..` line, random parameters drawn from `rng`.

    Raises ValueError for an unknown type or option, naming the nearest known one.
    """
    return _make(line, rng, f"component {line.str('name')}")


def _make(line: ConfigLine, rng: np.random.Generator, what: str) -> Component:
    kind = line.str("type")
    if kind not in TYPES:
        raise ValueError(f"{line.where}: {what}: {_why_not(kind)}")
    line.make_part = lambda inner, rng: _make(inner, rng, inner.first_token)
    component = TYPES[kind].configure(line, rng)
    line.finish()
    return component


def _why_not(kind: str) -> str:
    """Why there is no class for a type."""
    if kind in REFUSED:
        return f"components of type {kind} cannot be used: {REFUSED[kind]}"
    near = difflib.get_close_matches(kind, TYPES, 1)
    return f"there is no type {kind}" + (f"; did you mean {near[0]}?" if near else "")

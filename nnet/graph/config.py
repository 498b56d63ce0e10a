"""Nodes and components from the lines of an nnet3 config, as Kaldi's Nnet::ReadConfig reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import numpy as np

from nnet.component import Component
from nnet.config_line import ConfigLine
from nnet.graph.descriptor import NAME, Descriptor, normalise, parse
from nnet.graph.node import (
    OBJECTIVES,
    ComponentNode,
    DimRangeNode,
    InputNode,
    Node,
    OutputNode,
)

MakeComponent: TypeAlias = "Callable[[ConfigLine, np.random.Generator], Component]"  # numpy.random: when used
LoadMatrix = Callable[[str], np.ndarray]
NODE_LINES = ("input-node", "component-node", "dim-range-node", "output-node")


def config_lines(texts: Iterable[str], where: str, load_matrix: LoadMatrix | None = None) -> list[ConfigLine]:
    """The lines that are neither empty nor comments, with checked first words and names.

    Raises ValueError if a node, or a component, is defined twice.
    """
    numbered = ((number, text.split("#", 1)[0].strip()) for number, text in enumerate(texts, 1))
    lines = [ConfigLine(text, f"{where}:{number}", load_matrix) for number, text in numbered if text]
    seen: dict[tuple[bool, str], ConfigLine] = {}
    for line in lines:
        _check_line(line)
        key = (line.first_token == "component", line.str("name"))
        if (first := seen.setdefault(key, line)) is not line:
            kind = "component" if key[0] else "node"
            raise ValueError(f"{line.where}: the {kind} {key[1]} was already defined at {first.where}")
    return lines


def _check_line(line: ConfigLine) -> None:
    if line.first_token not in ("component", *NODE_LINES):
        raise ValueError(
            f"{line.where}: a line starts with component or one of {', '.join(NODE_LINES)}, "
            f"not with {line.first_token!r}"
        )
    if not NAME.fullmatch(line.str("name")):
        raise ValueError(
            f"{line.where}: {line.str('name')!r} cannot be a name: names consist of A-Z a-z 0-9 _ . - "
            "and start with a letter or _"
        )


def read_components(
    lines: Iterable[ConfigLine],
    make_component: MakeComponent,
    rng: np.random.Generator | None,
    base: Mapping[str, Component],
) -> dict[str, Component]:
    """The components of `base` and of `lines`; a line with the name of an old one replaces it, in place.

    Random parameters are drawn from `rng`, from seed 0 if there is none.
    """
    components = dict(base)
    for line in lines:
        if line.first_token == "component":
            rng = rng or np.random.default_rng(0)
            components[line.str("name")] = make_component(line, rng)
    return components


def read_nodes(lines: Iterable[ConfigLine], base: Mapping[str, Node]) -> dict[str, Node]:
    """The nodes of `base`, then those of `lines`; an old node whose name is defined again is dropped.

    Descriptors may mention nodes that are defined further down.
    """
    lines = [line for line in lines if line.first_token != "component"]
    new = {line.str("name"): line for line in lines}
    old = {name: node for name, node in base.items() if name not in new}
    readable = {name for name, node in old.items() if not isinstance(node, OutputNode)}
    readable |= {name for name, line in new.items() if line.first_token != "output-node"}
    return old | {name: _node(line, readable) for name, line in new.items()}


def _node(line: ConfigLine, readable: set[str]) -> Node:
    node: Node
    if line.first_token == "input-node":
        node = InputNode(line.int("dim"))
    elif line.first_token == "component-node":
        node = ComponentNode(line.str("component"), _descriptor(line, readable))
    elif line.first_token == "dim-range-node":
        node = DimRangeNode(line.str("input-node"), line.int("dim-offset"), line.int("dim"))
    else:
        node = OutputNode(_descriptor(line, readable), line.str("objective", "linear"))
        if node.objective not in OBJECTIVES:
            raise ValueError(
                f"{line.where}: output-node {line.str('name')}: objective={node.objective} "
                f"is none of {', '.join(OBJECTIVES)}"
            )
    line.finish()
    return node


def _descriptor(line: ConfigLine, readable: set[str]) -> Descriptor:
    try:
        return normalise(parse(line.str("input"), readable))
    except ValueError as error:
        raise ValueError(f"{line.where}: {line.first_token} {line.str('name')}: {error}") from None

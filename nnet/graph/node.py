"""The four kinds of node of a network."""

from __future__ import annotations

from dataclasses import dataclass

from nnet.graph.descriptor import Descriptor

OBJECTIVES = ("linear", "quadratic")


@dataclass(frozen=True)
class InputNode:
    """Arrays of `dim` columns that the caller gives."""

    dim: int


@dataclass(frozen=True)
class ComponentNode:
    """The component named `component`, applied to what `input` reads."""

    component: str
    input: Descriptor


@dataclass(frozen=True)
class DimRangeNode:
    """The columns offset .. offset + dim - 1 of the input or component node `source`."""

    source: str
    offset: int
    dim: int


@dataclass(frozen=True)
class OutputNode:
    """What the caller may ask for; `objective` is "linear" or "quadratic"."""

    input: Descriptor
    objective: str = "linear"


Node = InputNode | ComponentNode | DimRangeNode | OutputNode


def config_line(name: str, node: Node, dims: tuple[int, int] | None = None) -> str:
    """The line of a node as in Kaldi's model files; with `dims` (input, output) as nnet3-info has it."""
    if isinstance(node, InputNode):
        return f"input-node name={name} dim={node.dim}"
    if isinstance(node, DimRangeNode):
        return f"dim-range-node name={name} input-node={node.source} dim-offset={node.offset} dim={node.dim}"
    if isinstance(node, OutputNode):
        shown = f" dim={dims[1]}" if dims else ""
        return f"output-node name={name} input={node.input}{shown} objective={node.objective}"
    shown = f" input-dim={dims[0]} output-dim={dims[1]}" if dims else ""
    return f"component-node name={name} component={node.component} input={node.input}{shown}"

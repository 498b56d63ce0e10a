"""Nodes and descriptors that read from nodes under new names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nnet.graph.descriptor import Descriptor, NodeRef, children
from nnet.graph.expression import with_children
from nnet.graph.node import DimRangeNode, InputNode, Node


def renamed(node: Node, names: Mapping[str, str]) -> Node:
    """`node` reading from names[old] wherever it read from `old`."""
    if isinstance(node, InputNode):
        return node
    if isinstance(node, DimRangeNode):
        return replace(node, source=names.get(node.source, node.source))
    return replace(node, input=renamed_descriptor(node.input, names))


def renamed_descriptor(d: Descriptor, names: Mapping[str, str]) -> Descriptor:
    """`d` with names[old] wherever it mentions the node `old`."""
    if isinstance(d, NodeRef):
        return NodeRef(names.get(d.name, d.name))
    return with_children(d, tuple(renamed_descriptor(part, names) for part in children(d)))

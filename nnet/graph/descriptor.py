"""The descriptor language in one place: its expressions, their parser, their normal form."""

from nnet.graph.expression import (
    Append,
    Const,
    Descriptor,
    Failover,
    IfDefined,
    NodeRef,
    Offset,
    ReplaceIndex,
    Round,
    Scale,
    Sum,
    Switch,
    children,
    dim,
    modulus,
    nodes,
)
from nnet.graph.normalise import normalise, terms
from nnet.graph.parse import NAME, parse

__all__ = [
    "NAME",
    "Append",
    "Const",
    "Descriptor",
    "Failover",
    "IfDefined",
    "NodeRef",
    "Offset",
    "ReplaceIndex",
    "Round",
    "Scale",
    "Sum",
    "Switch",
    "children",
    "dim",
    "modulus",
    "nodes",
    "normalise",
    "parse",
    "terms",
]

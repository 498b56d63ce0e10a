"""The meaning of a network, frame by frame and without any plan: slow, short, and written independently."""

from __future__ import annotations

import numpy as np

from nnet.component import Io
from nnet.graph.descriptor import (
    Const,
    Failover,
    IfDefined,
    NodeRef,
    Offset,
    ReplaceIndex,
    Round,
    Scale,
    Sum,
    Switch,
    dim,
)
from nnet.graph.network import Nnet
from nnet.graph.node import DimRangeNode, InputNode

INF = 40  # frames further away than this count as undefined


class Oracle:
    """value(name, t): the (N, D) output of a node at frame t, or None if it is not defined."""

    def __init__(self, nnet: Nnet, inputs: dict[str, dict[int, np.ndarray]]):
        self.nnet, self.inputs, self.found = nnet, inputs, {}
        self.n, self.dtype = next((v.shape[0], v.dtype) for f in inputs.values() for v in f.values())

    def value(self, name: str, t: int):
        if abs(t) > INF:
            return None
        if (name, t) not in self.found:
            self.found[name, t] = self.compute(name, t)
        return self.found[name, t]

    def compute(self, name: str, t: int):
        node = self.nnet.nodes[name]
        if isinstance(node, InputNode):
            return self.inputs.get(name, {}).get(t)
        if isinstance(node, DimRangeNode):
            source = self.value(node.source, t)
            return None if source is None else source[:, node.offset : node.offset + node.dim]
        if not hasattr(node, "component"):
            return self.read(node.input, t)
        component = self.nnet.components[node.component]
        x = {f: self.read(node.input, f) for f in component.reads(t)}
        used = component.uses(t, lambda f: x[f] is not None)
        if used is None:
            return None
        frames = tuple(sorted(set(used)))
        io = Io(frames, (t,), self.n)
        stacked = np.stack([x[f] for f in frames]) if frames else np.empty((0, self.n, component.input_dim))
        return component.forward(stacked, io)[0][0]

    def read(self, d, t: int):  # noqa: C901  one case for each word of the language
        match d:
            case NodeRef(name):
                return self.value(name, t)
            case Const(value, width):
                return np.full((self.n, width), value, self.dtype)
            case Scale(scale, part):
                return times(self.read(part, t), scale)
            case Offset(part, offset):
                return self.read(part, t + offset)
            case Round(part, modulus):
                return self.read(part, (t // modulus) * modulus)
            case ReplaceIndex(part, variable, value):
                return self.read(part, value if variable == "t" else t)
            case Switch(parts):
                return self.read(parts[t % len(parts)], t)
            case Failover((first, second)):
                value = self.read(first, t)
                return self.read(second, t) if value is None else value
            case IfDefined(part):
                value = self.read(part, t)
                return np.zeros((self.n, dim(d, self.nnet.dims())), self.dtype) if value is None else value
        values = [self.read(part, t) for part in d.parts]
        if any(v is None for v in values):
            return None
        return sum(values) if isinstance(d, Sum) else np.concatenate(values, axis=1)


def times(value, scale):
    return None if value is None else value * scale

"""A feed-forward network as an ONNX model that takes any number of sequences of any number of frames."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any

from nnet.combination import check_finite, set_test_modes
from nnet.component import Component
from nnet.components.convolution import TimeHeightConvolution
from nnet.components.tdnn import Tdnn
from nnet.export.onnx_components import CONVERTERS
from nnet.export.onnx_graph import OnnxGraph, Signal
from nnet.export.onnx_time import convolution, tdnn
from nnet.files import atomic_write
from nnet.graph.descriptor import (
    Append,
    Const,
    Descriptor,
    NodeRef,
    Offset,
    ReplaceIndex,
    Round,
    Scale,
    Sum,
)
from nnet.graph.groups import components, sources
from nnet.graph.network import Nnet
from nnet.graph.node import DimRangeNode, InputNode, OutputNode

OPSET = 18
IR_VERSION = 10
PRODUCER = "pynnet3"


@dataclass
class Builder:
    """Goes through the nodes of a network in the order of computation."""

    nnet: Nnet
    graph: OnnxGraph = field(default_factory=OnnxGraph)
    signals: dict[str, Signal] = field(default_factory=dict)

    def build(self, outputs: list[str]) -> list[str]:
        """Signals for all nodes that `outputs` need; names of the inputs among these."""
        graph = sources(self.nnet)
        for group in components(graph, outputs):
            name = group[0]
            if len(group) > 1 or name in graph[name]:
                raise ValueError(
                    f"node {name} is recurrent; only feed-forward networks can be exported to ONNX"
                )
            self.graph.scope = name
            try:
                self.signals[name] = self.node(name)
            except ValueError as error:
                raise ValueError(f"node {name}: {error}") from None
        return [name for name in self.nnet.input_names() if name in self.signals]

    def node(self, name: str) -> Signal:
        """The signal of a node whose sources have theirs."""
        node = self.nnet.nodes[name]
        if isinstance(node, InputNode):
            return self.input(name, node.dim)
        if isinstance(node, DimRangeNode):
            x = self.signals[node.source]
            cut = self.graph.sliced(x.name, 2, node.offset, node.offset + node.dim)
            return replace(x, name=cut, dim=node.dim)
        if isinstance(node, OutputNode):
            return self.read(node.input)
        component = self.nnet.components[node.component]
        if component.TYPE not in CONVERTERS and not isinstance(component, (Tdnn, TimeHeightConvolution)):
            raise ValueError(
                f"component {node.component} is a {component.TYPE}, which cannot be exported to ONNX"
            )
        return self.apply(component, self.read(node.input))

    def input(self, name: str, dim: int) -> Signal:
        """Features as they are given; an i-vector (N, dim) gets an axis of one frame."""
        if name == "ivector":
            return Signal(self.graph.op("Unsqueeze", name, self.graph.ints(1)), dim, timeless=True)
        if name != "input":
            raise ValueError("only inputs named input and ivector are supported")
        return Signal(name, dim)

    def apply(self, component: Component, x: Signal) -> Signal:
        """A component on its input."""
        if isinstance(component, Tdnn):
            return tdnn(self.graph, component, x)
        if isinstance(component, TimeHeightConvolution):
            return convolution(self.graph, component, x)
        y = CONVERTERS[component.TYPE](self.graph, component, x.name)
        return replace(x, name=y, dim=component.output_dim)

    def read(self, d: Descriptor) -> Signal:
        """What a descriptor reads. Raises ValueError for those that depend on the number of the frame."""
        if isinstance(d, (Append, Sum)):
            how = "Concat" if isinstance(d, Append) else "Add"
            return self.graph.joined([self.read(part) for part in d.parts], how)
        if isinstance(d, Scale):
            x = self.read(d.part)
            return replace(x, name=self.graph.op("Mul", x.name, self.graph.floats(d.scale)))
        return self.constant(d) if isinstance(d, Const) else self.moved(d)

    def moved(self, d: Descriptor) -> Signal:
        """What a descriptor reads that names one node, perhaps at other frames."""
        if isinstance(d, NodeRef) and d.name != "ivector":
            return self.signals[d.name]
        if isinstance(d, Offset):
            return self.read(d.part).shifted(d.offset)
        if (isinstance(d, Round) and d.modulus == 1) or (isinstance(d, ReplaceIndex) and d.variable == "x"):
            return self.read(d.part)
        if d == ReplaceIndex(NodeRef("ivector"), "t", 0):
            return self.signals["ivector"]
        hint = "; the ivector can be read by ReplaceIndex(ivector, t, 0)" if d == NodeRef("ivector") else ""
        raise ValueError(f"{d} is not the same at all frames and cannot be exported to ONNX{hint}")

    def constant(self, d: Const) -> Signal:
        """A value at all frames, as (1, 1, dim) spread over the sequences of an input."""
        any_input = next(s for name, s in self.signals.items() if name in self.nnet.input_names())
        sequences = self.graph.sliced(self.graph.op("Shape", any_input.name), 0, 0, 1)
        shape = self.graph.op("Concat", sequences, self.graph.ints(1, d.dim), axis=0)
        return Signal(self.graph.op("Expand", self.graph.floats([[[d.value]]]), shape), d.dim, timeless=True)


def to_onnx(nnet: Nnet, outputs: list[str] | None = None, frame_subsampling_factor: int = 1) -> Any:
    """The onnx.ModelProto of the network in test mode, for `outputs` (default: all).

    Inputs: `input` (N, T, dim) and, if the network has one, `ivector` (N, dim). Outputs (N, T', dim) hold the
    frames that T frames of input suffice for: T' = T - left - right context, which the metadata gives for
    each output; or of these the first and every `frame_subsampling_factor`th after it. Raises ValueError
    naming the node that cannot be expressed (recurrence, attention, statistics, what depends on
    the number of the frame), ImportError without onnx.
    """
    if frame_subsampling_factor < 1:
        raise ValueError(f"--frame-subsampling-factor={frame_subsampling_factor} must be at least 1")
    check_finite(nnet, "the network")
    builder = Builder(set_test_modes(nnet.copy()))
    wanted = nnet.output_names() if outputs is None else outputs
    for name in wanted:
        nnet.output_dim(name)
    inputs = builder.build(wanted)
    return _model(builder, inputs, wanted, frame_subsampling_factor)


def _model(builder: Builder, inputs: list[str], outputs: list[str], step: int) -> Any:
    g = builder.graph
    helper, kind = g.onnx.helper, g.onnx.TensorProto.FLOAT
    results = []
    for name in outputs:
        y = builder.signals[name]
        shown = y.name if y.timeless or step == 1 else g.thinned(y.name, step)
        g.nodes.append(helper.make_node("Identity", [shown], [name], name=name))
        frames = 1 if y.timeless else f"{name}_frames"
        results.append(helper.make_tensor_value_info(name, kind, ["sequences", frames, y.dim]))
    given = [
        helper.make_tensor_value_info(
            name, kind, ["sequences", *([] if name == "ivector" else ["frames"]), builder.nnet.dim(name)]
        )
        for name in inputs
    ]
    graph = helper.make_graph(g.nodes, PRODUCER, given, results, list(g.constants.values()))
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, producer_name=PRODUCER, opset_imports=opset, ir_version=IR_VERSION)
    spans = {name: builder.signals[name] for name in outputs}
    helper.set_model_props(
        model,
        {f"{name}.left_context": str(s.first) for name, s in spans.items()}
        | {f"{name}.right_context": str(s.short) for name, s in spans.items()},
    )
    g.onnx.checker.check_model(model, full_check=True)
    return model


def save_onnx(
    nnet: Nnet,
    path: str | os.PathLike[str],
    outputs: list[str] | None = None,
    frame_subsampling_factor: int = 1,
) -> Any:
    """Write the model of `to_onnx` to `path`, which appears whole; returns it."""
    model = to_onnx(nnet, outputs, frame_subsampling_factor)
    with atomic_write(path) as stream:
        stream.write(model.SerializeToString())
    return model

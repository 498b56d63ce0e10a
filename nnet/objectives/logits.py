"""Outputs that end in a log-softmax, shown before it, so that a device makes value and derivative at once."""

from __future__ import annotations

from typing import Any

from nnet.component import Io
from nnet.graph.descriptor import NodeRef
from nnet.graph.limits import Times, inside, is_all
from nnet.graph.network import Nnet
from nnet.graph.node import ComponentNode, OutputNode
from nnet.minibatch import DenseTarget, Minibatch, SparseTarget

LOG_SOFTMAX = "LogSoftmaxComponent"  # which is imported when a model has it
CROSS_ENTROPY = "cross-entropy"  # what such an output carries in place of "linear"; no file has it


def before_log_softmax(nnet: Nnet) -> Nnet:
    """The same components, each linear output that shows a log-softmax showing what goes into that.

    The node of the log-softmax stays, so that the others keep their random numbers; it is computed only if
    somebody else reads it.
    """
    nodes = dict(nnet.nodes)
    for name in nnet.output_names():
        if last := _log_softmax(nnet, name):
            nodes[name] = OutputNode(last.input, CROSS_ENTROPY)
    return Nnet(nodes, nnet.components)


def _log_softmax(nnet: Nnet, output: str) -> ComponentNode | None:
    """The node that a linear output shows, if it is a log-softmax."""
    node = nnet.nodes[output]
    assert isinstance(node, OutputNode)
    last = nnet.nodes[node.input.name] if isinstance(node.input, NodeRef) else None
    if node.objective != "linear" or not isinstance(last, ComponentNode):
        return None
    return last if nnet.components[last.component].TYPE == LOG_SOFTMAX else None


def store_label_stats(nnet: Nnet, shown: Nnet, batch: Minibatch, seed: int, times: Times | None) -> None:
    """Let the log-softmaxes of `nnet` that `shown` goes without store statistics as `backward` would.

    Their derivatives are the targets, zero at frames outside `times`.
    """
    for name, target in batch.outputs.items():
        last, rows = _log_softmax(nnet, name), inside(target.frames, times)
        if last is None or shown.objective_of(name) != CROSS_ENTROPY or rows.start == rows.stop:
            continue
        component: Any = nnet.components[last.component]
        io = Io(target.frames, target.frames, batch.n, (seed,))
        if isinstance(target, DenseTarget):
            component.store_backward_stats(target.values[rows], io)
        elif isinstance(target, SparseTarget):
            weight = target.weight
            if not is_all(rows, target.frames):
                weight = weight * ((target.t >= rows.start) & (target.t < rows.stop))
            component.store_label_stats(target.column, weight, (rows.stop - rows.start) * batch.n, io)

"""Affine layers joined, batch-norm in test mode folded into those around it: the same outputs for less."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from nnet import tree
from nnet.components.activations import RectifiedLinear
from nnet.components.dropout import Dropout, GeneralDropout, SpecAugmentTimeMask
from nnet.components.elementwise import FixedBias
from nnet.components.linear import Affine, FixedAffine, Linear
from nnet.components.normalize import BatchNorm
from nnet.components.shape import NoOp
from nnet.components.tdnn import Tdnn
from nnet.graph import groups
from nnet.graph.descriptor import (
    Append,
    Const,
    Descriptor,
    NodeRef,
    Offset,
    Scale,
    Sum,
    children,
    dim,
    nodes,
)
from nnet.graph.network import Nnet
from nnet.graph.node import ComponentNode

AFFINE = (Affine, FixedAffine, Linear, Tdnn)  # y = W x + b, or without b
MATRIX = (Affine, FixedAffine, Linear)  # those that see one frame, by themselves
LINEAR = (NodeRef, Const, Append, Sum, Scale, Offset)  # descriptors that are always defined and sum up


def folded(nnet: Nnet) -> Nnet:
    """A network with the outputs of `nnet`, for forward passes on the host; what stays is shared.

    Batch-norm in test mode is y = s x + o. Since s > 0, s max(z, 0) = max(s z, 0): s goes up through a ReLU
    into the affine layer whose output nobody else reads. o goes down, W (x + o) + b = W x + (b + W o), if
    affine layers alone see it, directly or through sums and components that change nothing. Kaldi's
    CollapseModel folds where an affine layer reads the batch-norm itself, as most in a TDNN-F do not.
    Before, W (V x + a) + b = (W V) x + (W a + b): the transform of the features goes into the first layer.
    """
    fold = _Fold(nnet)
    for name in tuple(fold.order):
        fold.join(name)
    for name in fold.order:
        fold.move_up(name)
    for name in reversed(fold.order):
        if all(fold.makes_up(reader) for reader in fold.readers[name]):
            fold.spared.add(name)
    for name in fold.order:
        fold.move_down(name)
    return Nnet(fold.nodes, fold.components)


class _Fold:
    """A network in the making, each of whose component nodes has a component of its own name."""

    def __init__(self, nnet: Nnet):
        applied = {name: node for name, node in nnet.nodes.items() if isinstance(node, ComponentNode)}
        self.nodes = nnet.nodes | {name: replace(node, component=name) for name, node in applied.items()}
        self.components: dict[str, Any] = {n: nnet.components[node.component] for n, node in applied.items()}
        self.dims = nnet.dims()
        self.readers: dict[str, list[str]] = {name: [] for name in self.nodes}
        for name in self.nodes:
            for source in nnet.sources(name):
                self.readers[source].append(name)
        found = groups.components(groups.sources(nnet), self.nodes)
        self.order = {group[0]: None for group in found if len(group) == 1}  # a cycle stays as it is
        self.own: set[str] = set()  # nodes whose parameters may be changed
        self.offsets: dict[str, np.ndarray] = {}  # of batch-norms that are now nothing else
        self.spared: set[str] = set()  # nodes that may lack a constant, for which their readers make up
        self.lacks: dict[str, np.ndarray] = {}  # what nodes lack, (dim,)

    def join(self, name: str) -> None:
        """Make one affine layer of node `name` and the one that it alone reads, where that is less work."""
        node, c = self.nodes[name], self.components.get(name)
        above = node.input.name if isinstance(node, ComponentNode) and isinstance(node.input, NodeRef) else ""
        first, before = self.components.get(above), self.nodes.get(above)
        if not (isinstance(c, MATRIX) and isinstance(first, MATRIX) and above in self.order):
            return
        (out, between), within = c.W.shape, first.W.shape[1]
        if self.readers[above] != [name] or out * within > between * (out + within):
            return
        assert isinstance(node, ComponentNode) and isinstance(before, ComponentNode)
        W = c.W @ first.W
        self.components[name] = Linear(W=W) if isinstance(c, Linear) else Affine(W=W, b=c.b.copy())
        self.own.add(name)
        if not isinstance(first, Linear):
            self.add_bias(name, c.W @ first.b)
        self.nodes[name] = replace(node, input=before.input)
        for source in set(nodes(before.input)):
            self.readers[source] = [name if reader == above else reader for reader in self.readers[source]]
        del self.nodes[above], self.components[above], self.order[above]

    def move_up(self, name: str) -> None:
        """Take a batch-norm's scale into the affine layer above, and its offset if no ReLU is between."""
        norm = self.components.get(name)
        if not isinstance(norm, BatchNorm) or not norm.test_mode:
            return
        layer, through_relu = self.layer_above(name)
        if layer is None:
            return
        scale, offset = (
            np.tile(v, norm.dim // norm.block_dim).astype(np.float32) for v in norm.scale_and_offset()
        )
        c = self.owned(layer)
        c.W *= scale[:, None]
        if not isinstance(c, Linear) and c.b is not None:
            c.b *= scale
        self.components[name] = NoOp(dim=norm.dim)
        if through_relu:
            self.offsets[name] = offset
        else:
            self.add_bias(layer, offset)

    def layer_above(self, name: str) -> tuple[str | None, bool]:
        """The affine node, if any, whose output node `name` alone sees, and whether through a ReLU."""
        through_relu = False
        while True:
            node = self.nodes[name]
            above = node.input if isinstance(node, ComponentNode) else None
            if not isinstance(above, NodeRef) or self.readers[above.name] != [name]:
                return None, through_relu
            name = above.name
            c = self.components.get(name)
            if isinstance(c, AFFINE):
                return name, through_relu
            if not isinstance(c, RectifiedLinear) and not changes_nothing(c):
                return None, through_relu
            through_relu = through_relu or isinstance(c, RectifiedLinear)

    def makes_up(self, name: str) -> bool:
        """Whether node `name` can make up for constants that its sources lack, or lack them itself."""
        node = self.nodes[name]
        if name not in self.order or not isinstance(node, ComponentNode) or not is_linear(node.input):
            return False
        c = self.components[name]
        return isinstance(c, AFFINE) or (changes_nothing(c) and name in self.spared)

    def move_down(self, name: str) -> None:
        """Make up for what the sources of node `name` lack; leave its offset to its readers if they can."""
        node = self.nodes[name]
        if name in self.offsets:
            if name in self.spared:
                self.lacks[name] = self.offsets[name]
            else:
                self.components[name] = FixedBias(bias=self.offsets[name])
        elif isinstance(node, ComponentNode) and any(source in self.lacks for source in nodes(node.input)):
            lack = self.lack_of(node.input)
            if isinstance(self.components[name], AFFINE):
                c = self.owned(name)
                self.add_bias(name, c.W @ np.tile(lack, c.W.shape[1] // len(lack)))
            else:
                self.lacks[name] = lack

    def lack_of(self, d: Descriptor) -> np.ndarray:
        """What a linear descriptor lacks, (dim,)."""
        if isinstance(d, NodeRef) and d.name in self.lacks:
            return self.lacks[d.name]
        parts = [self.lack_of(part) for part in children(d)]
        if isinstance(d, Append):
            return np.concatenate(parts)
        total = sum(parts, np.zeros(dim(d, self.dims), np.float32))
        return total * np.float32(d.scale) if isinstance(d, Scale) else total

    def add_bias(self, name: str, b: np.ndarray) -> None:
        """Add to the bias of an affine node, which may have had none."""
        c = self.owned(name)
        if isinstance(c, Linear):
            self.components[name] = Affine(W=c.W, b=b)
        else:
            c.b = b if c.b is None else c.b + b

    def owned(self, name: str) -> Any:
        """The component of an affine node, its parameters free to be changed."""
        if name not in self.own:
            self.own.add(name)
            self.components[name] = tree.copy(self.components[name])
        return self.components[name]


def changes_nothing(c: Any) -> bool:
    """Whether y = x."""
    if isinstance(c, Dropout):
        return c.dropout_proportion == 0
    return isinstance(c, NoOp) or (isinstance(c, (GeneralDropout, SpecAugmentTimeMask)) and c.test_mode)


def is_linear(d: Descriptor) -> bool:
    """Whether `d` is a sum of whole nodes at other frames, side by side and scaled, always defined."""
    return isinstance(d, LINEAR) and all(map(is_linear, children(d)))

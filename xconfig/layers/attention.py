"""Restricted self-attention over time, with the operations that the layer's name spells."""

from __future__ import annotations

import math

from xconfig.emit import AFFINE, Emitter, Signal
from xconfig.layer import Layer, layer, option


@layer(
    "attention-renorm-layer",
    "attention-relu-renorm-layer",
    "attention-relu-batchnorm-layer",
    "relu-renorm-attention-layer",
    example=(512, "num-heads=15 value-dim=60 key-dim=40 num-left-inputs=5 num-right-inputs=2 time-stride=3"),
)
class AttentionLayer(Layer):
    """Affine transform to keys, values and queries, attention over frames at a stride, other operations."""

    dim: int = option(
        -1, "without effect; the output's dimension follows from heads and values", from_input=True
    )
    max_change: float = option(0.75, "limit on the change of the parameters in a minibatch")
    self_repair_scale: float = option(1.0e-05, "self-repair of the ReLU", least=0.0, most=1.0)
    target_rms: float = option(1.0, "root mean square that renorm and batchnorm give", least=0.0)
    learning_rate_factor: float = option(1.0, "scales the learning rate", above=0.0)
    ng_affine_options: str = option("", "text appended to the affine component")
    l2_regularize: float = option(0.0, "strength of L2 regularisation")
    num_left_inputs_required: int = option(
        -1, "frames to the left without which nothing is computed; -1: all"
    )
    num_right_inputs_required: int = option(-1, "the same to the right")
    output_context: bool = option(True, "append the attention weights to the output")
    time_stride: int = option(1, "frames between the positions attended to", least=1)
    num_heads: int = option(1, "number of heads", least=1)
    key_dim: int = option(-1, "columns of a key", least=0)
    key_scale: float = option(0.0, "scale of the scores; 0: 1/sqrt(key-dim)")
    value_dim: int = option(-1, "columns of a value", least=0)
    num_left_inputs: int = option(-1, "positions to the left", least=0)
    num_right_inputs: int = option(-1, "positions to the right", least=0)
    dropout_proportion: float = option(0.5, "without effect: no type of this family has dropout")

    def build(self, net: Emitter, x: Signal) -> Signal:
        """affine -> the operations of the type."""
        if self.key_scale == 0.0 and self.key_dim > 0:
            self.key_scale = 1.0 / math.sqrt(self.key_dim)
        context = 1 + self.num_left_inputs + self.num_right_inputs
        dim = self.num_heads * (
            2 * self.key_dim + self.value_dim + context
        )  # key, value, query with its context
        h = net.add(
            "affine", AFFINE, x, dim, input_dim=x.dim, output_dim=dim, max_change=self.max_change,
            options=self.ng_affine_options, l2_regularize=self.l2_regularize or "",
            learning_rate_factor=self.learning_rate_factor if self.learning_rate_factor != 1.0 else "",
        )  # fmt: skip
        for word in self.words:
            h = getattr(self, word)(net, h)
        return h

    def attention(self, net: Emitter, x: Signal) -> Signal:
        """RestrictedAttentionComponent."""
        context = 1 + self.num_left_inputs + self.num_right_inputs
        dim = self.num_heads * (self.value_dim + (context if self.output_context else 0))
        return net.add(
            "attention", "RestrictedAttentionComponent", x, dim,
            value_dim=self.value_dim, key_dim=self.key_dim,
            num_left_inputs=self.num_left_inputs, num_right_inputs=self.num_right_inputs,
            num_left_inputs_required=self.num_left_inputs_required,
            num_right_inputs_required=self.num_right_inputs_required, output_context=self.output_context,
            time_stride=self.time_stride, num_heads=self.num_heads, key_scale=self.key_scale,
        )  # fmt: skip

    def relu(self, net: Emitter, x: Signal) -> Signal:
        """max(x, 0)."""
        repair = self.self_repair_scale
        return net.add("relu", "RectifiedLinearComponent", x, x.dim, dim=x.dim, self_repair_scale=repair)

    def renorm(self, net: Emitter, x: Signal) -> Signal:
        """Each row scaled to the target root mean square."""
        return net.add("renorm", "NormalizeComponent", x, x.dim, dim=x.dim, target_rms=self.target_rms)

    def batchnorm(self, net: Emitter, x: Signal) -> Signal:
        """Each column normalised over the minibatch."""
        return net.add("batchnorm", "BatchNormComponent", x, x.dim, dim=x.dim, target_rms=self.target_rms)

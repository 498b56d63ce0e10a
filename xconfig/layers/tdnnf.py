"""Factored TDNN layers with bypass, and the layer before the output that goes with them."""

from __future__ import annotations

from xconfig.emit import AFFINE, LINEAR, Emitter, Signal
from xconfig.layer import Layer, layer, option, require


@layer("tdnnf-layer", example=(1536, "dim=1536 bottleneck-dim=160 time-stride=3"))
class TdnnfLayer(Layer):
    """TDNN-F: orthonormal factor, an affine one, ReLU, batch-norm; a scaled copy of the input is added."""

    dim: int = option(-1, "number of columns of the output", least=1)
    bottleneck_dim: int = option(-1, "number of columns between the two factors", least=1)
    bypass_scale: float = option(0.66, "scale of the input in the sum; 0: no bypass", least=-1.0, most=1.0)
    dropout_proportion: float = option(
        -1.0, "dropout with one mask per sequence; -1: none", least=0.0, off=-1.0
    )
    time_stride: int = option(1, "s: the factors read frames (-s, 0) and (0, s); 0: one frame each")
    l2_regularize: float = option(0.0, "strength of L2 regularisation")
    max_change: float = option(0.75, "limit on the change of the parameters in a minibatch")
    self_repair_scale: float = option(1.0e-05, "self-repair of the ReLU")
    context: str = option(
        "default", "which frames the factors read", choices=("default", "left-only", "shift-left", "none")
    )

    def build(self, net: Emitter, x: Signal) -> Signal:
        """linear -> affine -> relu -> batchnorm [-> dropout] [-> sum with the input]."""
        require(
            self.bottleneck_dim < self.dim,
            f"bottleneck-dim={self.bottleneck_dim} is not below dim={self.dim}",
        )
        require(
            self.dropout_proportion < 1.0, f"dropout-proportion={self.dropout_proportion} must be below 1"
        )
        require(
            self.bypass_scale == 0.0 or self.dim == x.dim,
            f"the bypass adds input dim {x.dim} to output dim {self.dim}; bypass-scale=0 leaves it out",
        )
        h = self.factors(net, x)
        h = net.add(
            "relu", "RectifiedLinearComponent", h, h.dim, dim=h.dim, self_repair_scale=self.self_repair_scale
        )
        h = net.add("batchnorm", "BatchNormComponent", h, h.dim, dim=h.dim)
        if self.dropout_proportion != -1.0:
            proportion = self.dropout_proportion
            h = net.add(
                "dropout",
                "GeneralDropoutComponent",
                h,
                h.dim,
                dim=h.dim,
                dropout_proportion=proportion,
                continuous=True,
            )
        if self.bypass_scale == 0.0:
            return h
        total = Signal(f"Sum(Scale({self.bypass_scale}, {x.text}), {h.text})", h.dim)
        return net.add("noop", "NoOpComponent", total, h.dim, dim=h.dim)

    def factors(self, net: Emitter, x: Signal) -> Signal:
        """The two time-delay matrices."""
        first, second = self.offsets()
        shared = {"l2_regularize": self.l2_regularize, "max_change": self.max_change}
        h = net.add(
            "linear", "TdnnComponent", x, self.bottleneck_dim,
            input_dim=x.dim, output_dim=self.bottleneck_dim, **shared, use_bias=False,
            time_offsets=first, orthonormal_constraint=-1.0,
        )  # fmt: skip
        return net.add(
            "affine",
            "TdnnComponent",
            h,
            self.dim,
            input_dim=h.dim,
            output_dim=self.dim,
            **shared,
            time_offsets=second,
        )

    def offsets(self) -> tuple[str, str]:
        """Time offsets of the linear and of the affine factor."""
        s = self.time_stride
        if s == 0 or self.context == "none":
            return "0", "0"
        left, right = f"{-s},0", f"0,{s}"
        return left, {"default": right, "left-only": "0", "shift-left": left}[self.context]


@layer("prefinal-layer", example=(256, "big-dim=1536 small-dim=256"))
class PrefinalLayer(Layer):
    """A wide affine layer with ReLU, then an orthonormal bottleneck; batch-norm after each."""

    big_dim: int = option(-1, "number of columns in the middle", least=1)
    small_dim: int = option(-1, "number of columns of the output", least=1)
    l2_regularize: float = option(0.0, "strength of L2 regularisation")
    max_change: float = option(0.75, "limit on the change of the parameters in a minibatch")
    self_repair_scale: float = option(1.0e-05, "self-repair of the ReLU")

    def build(self, net: Emitter, x: Signal) -> Signal:
        """affine -> relu -> batchnorm1 -> linear -> batchnorm2."""
        big, small = self.big_dim, self.small_dim
        require(small < big, f"small-dim={small} is not below big-dim={big}")
        shared = {"l2_regularize": self.l2_regularize, "max_change": self.max_change}
        h = net.add("affine", AFFINE, x, big, input_dim=x.dim, output_dim=big, **shared)
        h = net.add(
            "relu", "RectifiedLinearComponent", h, big, dim=big, self_repair_scale=self.self_repair_scale
        )
        h = net.add("batchnorm1", "BatchNormComponent", h, big, dim=big)
        h = net.add(
            "linear", LINEAR, h, small, input_dim=big, output_dim=small, **shared, orthonormal_constraint=-1
        )
        return net.add("batchnorm2", "BatchNormComponent", h, small, dim=small)

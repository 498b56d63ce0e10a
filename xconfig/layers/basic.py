"""Affine transform and nonlinearities, in the order in which the layer's name spells them."""

from __future__ import annotations

from xconfig.emit import AFFINE, LINEAR, Emitter, Signal
from xconfig.layer import Layer, Number, layer, option, require


@layer(
    "relu-layer",
    "relu-renorm-layer",
    "relu-batchnorm-layer",
    "relu-batchnorm-dropout-layer",
    "relu-dropout-layer",
    "relu-batchnorm-so-layer",
    "batchnorm-so-relu-layer",
    "batchnorm-layer",
    "sigmoid-layer",
    "tanh-layer",
    example=(220, "dim=512"),
)
class BasicLayer(Layer):
    """Affine transform, then one operation for each word of the type."""

    dim: int = option(-1, "number of columns of the output", from_input=True, least=1)
    bottleneck_dim: int = option(
        -1, "columns of an orthonormal linear map before the affine one", least=1, off=-1
    )
    self_repair_scale: float = option(1.0e-05, "self-repair of relu, sigmoid, tanh", least=0.0, most=1.0)
    target_rms: float = option(1.0, "root mean square that renorm and batchnorm give", least=0.0)
    ng_affine_options: str = option("", "text appended to the affine component")
    ng_linear_options: str = option("", "text appended to the bottleneck's linear component")
    dropout_proportion: float = option(0.5, "dropout proportion, in types with `dropout`")
    dropout_per_dim: bool = option(False, "one dropout mask for all frames of a sequence")
    dropout_per_dim_continuous: bool = option(False, "the same with a mask of real numbers")
    add_log_stddev: bool = option(False, "a last renorm appends the log of the input's standard deviation")
    bias_stddev: Number = option("", "standard deviation of the initial biases")
    l2_regularize: Number = option("", "strength of L2 regularisation of the affine component")
    learning_rate_factor: Number = option("", "scales the learning rate", above=0.0)
    max_change: float = option(0.75, "limit on the change of the parameters in a minibatch")

    def build(self, net: Emitter, x: Signal) -> Signal:
        """[linear ->] affine -> the operations of the type."""
        require(
            not self.add_log_stddev or self.words[-1] == "renorm",
            f"add-log-stddev=true needs renorm as the last operation, which is {self.words[-1]}",
        )
        h = self.affine(net, self.bottleneck(net, x) if self.bottleneck_dim > 0 else x)
        for word in self.words:
            h = getattr(self, word)(net, h)
        return Signal(h.text, self.dim)

    def bottleneck(self, net: Emitter, x: Signal) -> Signal:
        """Orthonormal linear map to `bottleneck_dim` columns."""
        b = self.bottleneck_dim
        require(b < self.dim, f"bottleneck-dim={b} is not below dim={self.dim}")
        return net.add(
            "linear", LINEAR, x, b, input_dim=x.dim, orthonormal_constraint=1.0, output_dim=b,
            options=self.ng_linear_options, max_change=self.max_change,
            learning_rate_factor=self.learning_rate_factor,
        )  # fmt: skip

    def affine(self, net: Emitter, x: Signal) -> Signal:
        """Affine transform; log-stddev, if wanted, takes one of the output's columns."""
        dim = self.dim - self.add_log_stddev
        return net.add(
            "affine", AFFINE, x, dim, input_dim=x.dim, output_dim=dim, options=self.ng_affine_options,
            max_change=self.max_change, learning_rate_factor=self.learning_rate_factor,
            bias_stddev=self.bias_stddev, l2_regularize=self.l2_regularize,
        )  # fmt: skip

    def relu(self, net: Emitter, x: Signal) -> Signal:
        """max(x, 0)."""
        return self.repaired(net, "relu", "RectifiedLinearComponent", x)

    def sigmoid(self, net: Emitter, x: Signal) -> Signal:
        """1 / (1 + exp(-x))."""
        return self.repaired(net, "sigmoid", "SigmoidComponent", x)

    def tanh(self, net: Emitter, x: Signal) -> Signal:
        """tanh(x)."""
        return self.repaired(net, "tanh", "TanhComponent", x)

    def repaired(self, net: Emitter, word: str, kind: str, x: Signal) -> Signal:
        """A nonlinearity with self-repair."""
        return net.add(word, kind, x, x.dim, dim=x.dim, self_repair_scale=self.self_repair_scale)

    def renorm(self, net: Emitter, x: Signal) -> Signal:
        """Each row scaled to the target root mean square."""
        return net.add(
            "renorm", "NormalizeComponent", x, x.dim,
            dim=x.dim, target_rms=self.target_rms, add_log_stddev=self.add_log_stddev,
        )  # fmt: skip

    def batchnorm(self, net: Emitter, x: Signal) -> Signal:
        """Each column normalised over the minibatch."""
        return net.add("batchnorm", "BatchNormComponent", x, x.dim, dim=x.dim, target_rms=self.target_rms)

    def so(self, net: Emitter, x: Signal) -> Signal:
        """A trainable scale and offset for each column."""
        return net.add("so", "ScaleAndOffsetComponent", x, x.dim, dim=x.dim, max_change=0.5)

    def dropout(self, net: Emitter, x: Signal) -> Signal:
        """Dropout per element, or with one mask per sequence."""
        per_sequence = self.dropout_per_dim or self.dropout_per_dim_continuous
        return net.add(
            "dropout", "GeneralDropoutComponent" if per_sequence else "DropoutComponent", x, x.dim, dim=x.dim,
            dropout_proportion=self.dropout_proportion, continuous=self.dropout_per_dim_continuous or "",
        )  # fmt: skip

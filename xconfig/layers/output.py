"""Where a network begins and ends: input, output and output-layer."""

from __future__ import annotations

import math

from xconfig.emit import AFFINE, LINEAR, Emitter, Signal
from xconfig.layer import Layer, Number, layer, option, require


@layer("input", example=(0, "dim=40"))
class InputLayer(Layer):
    """An input of the network: features (`input`) or i-vectors (`ivector`)."""

    HAS_INPUT = False

    dim: int = option(-1, "number of columns", least=1)

    def build(self, net: Emitter, x: Signal) -> Signal:
        """An input-node, in every config."""
        net.line(f"input-node name={self.name} dim={self.dim}", "init", "ref", "final")
        return net.signal("", self.dim)


@layer("output", example=(40, ""))
class BareOutput(Layer):
    """An output that is its input as it stands, without parameters."""

    dim: int = option(-1, "number of columns, checked against the input if given", from_input=True)
    objective_type: str = option("linear", "objective", choices=("linear", "quadratic"))
    output_delay: int = option(0, "frames by which the labels are delayed")

    def build(self, net: Emitter, x: Signal) -> Signal:
        """An output-node."""
        require(self.dim == x.dim, f"dim={self.dim}, but the input has dim {x.dim}")
        net.output(self.name, x.text, self.output_delay, objective=self.objective_type)
        return net.signal("", x.dim)


@layer("output-layer", example=(256, "dim=2000"))
class OutputLayer(Layer):
    """Affine transform, log-softmax, output. Later layers can read NAME.affine and NAME.log-softmax only."""

    dim: int = option(-1, "number of classes, usually of pdfs", from_input=True, least=0)
    bottleneck_dim: int = option(
        -1, "columns of an orthonormal linear map before the affine one", least=1, off=-1
    )
    orthonormal_constraint: float = option(1.0, "scale of that map's orthonormal rows", above=0.0)
    include_log_softmax: bool = option(True, "end with a log-softmax (false for chain models)")
    objective_type: str = option("linear", "objective", choices=("linear", "quadratic"))
    output_delay: int = option(0, "frames by which the labels are delayed")
    ng_affine_options: str = option("", "text appended to the affine component")
    ng_linear_options: str = option("", "text appended to the bottleneck's linear component")
    learning_rate_factor: Number = option("", "scales the learning rate")
    l2_regularize: Number = option("", "strength of L2 regularisation")
    max_change: float = option(1.5, "limit on the change of the parameters in a minibatch")
    param_stddev: float = option(0.0, "standard deviation of the initial weights")
    bias_stddev: float = option(0.0, "standard deviation of the initial biases")

    def build(self, net: Emitter, x: Signal) -> None:
        """[linear ->] affine [-> log-softmax] -> output-node."""
        if self.bottleneck_dim > 0:
            x = self.bottleneck(net, x)
        y = net.add(
            "affine", AFFINE, x, self.dim, input_dim=x.dim, output_dim=self.dim,
            options=self.ng_affine_options, learning_rate_factor=self.learning_rate_factor,
            l2_regularize=self.l2_regularize,
            max_change=self.max_change, param_stddev=self.param_stddev, bias_stddev=self.bias_stddev,
        )  # fmt: skip
        net.auxiliary["affine"] = y
        if self.include_log_softmax:
            y = net.add("log-softmax", "LogSoftmaxComponent", y, self.dim, dim=self.dim)
            net.auxiliary["log-softmax"] = y
        net.output(self.name, y.text, self.output_delay, objective=self.objective_type)

    def bottleneck(self, net: Emitter, x: Signal) -> Signal:
        """Orthonormal linear map to `bottleneck_dim` columns."""
        b = self.bottleneck_dim
        require(
            b < min(x.dim, self.dim), f"bottleneck-dim={b} is not below input dim {x.dim} and dim={self.dim}"
        )
        stddev = self.orthonormal_constraint / math.sqrt(x.dim)
        # max-change stands twice in this line, as in Kaldi's; whoever reads it takes the first
        again = f"max-change={self.max_change}"
        return net.add(
            "linear", LINEAR, x, b, orthonormal_constraint=self.orthonormal_constraint, param_stddev=stddev,
            input_dim=x.dim, output_dim=b, max_change=0.75, options=f"{self.ng_linear_options} {again}",
            learning_rate_factor=self.learning_rate_factor, l2_regularize=self.l2_regularize,
        )  # fmt: skip

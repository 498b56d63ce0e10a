"""Layers that are one matrix: fixed, trained, or diagonal."""

from __future__ import annotations

import math

from xconfig.emit import AFFINE, DIAGONAL, LINEAR, Emitter, Signal
from xconfig.layer import Layer, Number, layer, option


@layer("fixed-affine-layer", example=(220, "affine-transform-file=lda.mat"))
class FixedAffineLayer(Layer):
    """An untrained transform, usually estimated like LDA from statistics of init.config's output."""

    dim: int = option(-1, "number of columns of the output", from_input=True, least=1)
    affine_transform_file: str = option(
        "", "file of the matrix; ref.config has random numbers for it", required=True
    )
    delay: int = option(0, "frames by which the labels are delayed; concerns init.config only")
    write_init_config: bool = option(True, "give init.config its output, the input of this layer")

    def build(self, net: Emitter, x: Signal) -> Signal:
        """The output of init.config, and a FixedAffineComponent."""
        if self.write_init_config:
            self.estimation(net, x)
        net.component("", "FixedAffineComponent", "final", matrix=self.affine_transform_file)
        net.component("", "FixedAffineComponent", "ref", input_dim=x.dim, output_dim=self.dim)
        net.node("", x.text)
        return net.signal("", self.dim)

    def estimation(self, net: Emitter, x: Signal) -> None:
        """In init.config: the spliced input as output, for accumulating statistics."""
        source = x.text
        if self.delay:
            source = net.full("delayed")
            net.component("delayed", "NoOpComponent", "init", dim=x.dim)
            net.line(f"component-node name={source} component={source} input={x.text}", "init")
        net.output("output", source, self.delay, "init")


@layer("affine-layer", example=(220, "dim=512"))
class AffineLayer(Layer):
    """A trained affine transform that always states how it is initialised."""

    dim: int = option(-1, "number of columns of the output", from_input=True, least=1)
    param_stddev: float = option(
        -1.0, "standard deviation of the initial weights; below 0: 1/sqrt(input dim)"
    )
    bias_stddev: float = option(1.0, "standard deviation of the initial biases")
    bias_mean: float = option(0.0, "mean of the initial biases")
    max_change: float = option(0.75, "limit on the change of the parameters in a minibatch")
    l2_regularize: float = option(0.0, "strength of L2 regularisation")
    learning_rate_factor: float = option(1.0, "scales the learning rate", above=0.0)
    ng_affine_options: str = option("", "text appended to the component")

    def build(self, net: Emitter, x: Signal) -> Signal:
        """One NaturalGradientAffineComponent."""
        if self.param_stddev < 0:
            self.param_stddev = 1.0 / math.sqrt(x.dim)
        return net.add(
            "", AFFINE, x, self.dim, input_dim=x.dim, output_dim=self.dim, param_stddev=self.param_stddev,
            bias_stddev=self.bias_stddev, bias_mean=self.bias_mean, max_change=self.max_change,
            l2_regularize=self.l2_regularize, options=self.ng_affine_options,
            learning_rate_factor=self.learning_rate_factor if self.learning_rate_factor != 1.0 else "",
        )  # fmt: skip


@layer("affine-component", example=(220, "dim=512"))
class AffineComponent(Layer):
    """A trained affine transform."""

    dim: int = option(-1, "number of columns of the output", from_input=True, least=1)
    orthonormal_constraint: Number = option("", "scale of orthonormal rows; negative: any scale")
    max_change: float = option(0.75, "limit on the change of the parameters in a minibatch")
    param_stddev: Number = option("", "standard deviation of the initial weights")
    bias_stddev: Number = option("", "standard deviation of the initial biases")
    l2_regularize: Number = option("", "strength of L2 regularisation")

    def build(self, net: Emitter, x: Signal) -> Signal:
        """One NaturalGradientAffineComponent."""
        return net.add(
            "", AFFINE, x, self.dim, input_dim=x.dim, output_dim=self.dim,
            orthonormal_constraint=self.orthonormal_constraint, max_change=self.max_change,
            l2_regularize=self.l2_regularize, param_stddev=self.param_stddev, bias_stddev=self.bias_stddev,
        )  # fmt: skip


@layer("linear-component", example=(512, "dim=256 orthonormal-constraint=-1.0"))
class LinearComponent(Layer):
    """A trained matrix without bias."""

    dim: int = option(-1, "number of columns of the output", from_input=True, least=1)
    orthonormal_constraint: Number = option("", "scale of orthonormal rows; negative: any scale")
    max_change: float = option(0.75, "limit on the change of the parameters in a minibatch")
    l2_regularize: Number = option("", "strength of L2 regularisation")
    param_stddev: Number = option("", "standard deviation of the initial weights")
    learning_rate_factor: Number = option("", "scales the learning rate")

    def build(self, net: Emitter, x: Signal) -> Signal:
        """One LinearComponent."""
        return net.add(
            "", LINEAR, x, self.dim, input_dim=x.dim, output_dim=self.dim,
            orthonormal_constraint=self.orthonormal_constraint, max_change=self.max_change,
            l2_regularize=self.l2_regularize, param_stddev=self.param_stddev,
            learning_rate_factor=self.learning_rate_factor,
        )  # fmt: skip


@layer("scale-component", "offset-component", example=(512, ""))
class DiagonalComponent(Layer):
    """A trained scale, or a trained offset, for each column."""

    l2_regularize: Number = option("", "strength of L2 regularisation")
    max_change: float = option(0.75, "limit on the change of the parameters in a minibatch")
    param_mean: Number = option("", "mean of the initial values")
    param_stddev: Number = option("", "standard deviation of the initial values")
    learning_rate_factor: Number = option("", "scales the learning rate")

    def build(self, net: Emitter, x: Signal) -> Signal:
        """One NaturalGradientPerElementScaleComponent or PerElementOffsetComponent."""
        kind = DIAGONAL if self.kind == "scale-component" else "PerElementOffsetComponent"
        return net.add(
            "", kind, x, x.dim, dim=x.dim,
            learning_rate_factor=self.learning_rate_factor, max_change=self.max_change,
            l2_regularize=self.l2_regularize, param_mean=self.param_mean, param_stddev=self.param_stddev,
        )  # fmt: skip

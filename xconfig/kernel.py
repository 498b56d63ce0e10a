"""What all convolutional layers share: how their kernels are initialised and trained."""

from __future__ import annotations

from dataclasses import fields

from xconfig.emit import Value
from xconfig.layer import Flag, Layer, Number, option, option_group


@option_group
class ConvolutionOptions(Layer):
    """Options that go to every TimeHeightConvolutionComponent as they are."""

    param_stddev: Number = option("", "standard deviation of the initial weights")
    bias_stddev: Number = option("", "standard deviation of the initial biases")
    use_natural_gradient: Flag = option("", "natural gradient or plain gradient")
    max_change: float = option(0.75, "limit on the change of the parameters in a minibatch")
    rank_in: Number = option("", "rank of the natural gradient, input side")
    rank_out: Number = option("", "the same, output side")
    num_minibatches_history: Number = option("", "minibatches the natural gradient remembers")
    alpha_in: Number = option("", "smoothing of the natural gradient, input side")
    alpha_out: Number = option("", "the same, output side")
    l2_regularize: Number = option("", "strength of L2 regularisation")

    @property
    def training(self) -> dict[str, Value]:
        """Keys of the component."""
        own = [f.name for f in fields(ConvolutionOptions) if f.name not in {g.name for g in fields(Layer)}]
        return {name: getattr(self, name) for name in own}

"""Convolution over time and height, with the operations that the layer's name spells."""

from __future__ import annotations

from itertools import pairwise

from xconfig.emit import CONVOLUTION, Emitter, Signal
from xconfig.kernel import ConvolutionOptions
from xconfig.layer import Number, layer, option, require


@layer(
    "conv-layer",
    "relu-conv-layer",
    "conv-relu-layer",
    "conv-renorm-layer",
    "relu-conv-renorm-layer",
    "batchnorm-conv-layer",
    "conv-relu-renorm-layer",
    "batchnorm-conv-relu-layer",
    "relu-batchnorm-conv-layer",
    "relu-batchnorm-noconv-layer",
    "relu-noconv-layer",
    "conv-relu-batchnorm-layer",
    "conv-relu-batchnorm-so-layer",
    "conv-relu-batchnorm-dropout-layer",
    "conv-relu-dropout-layer",
    example=(2560, "height-in=40 height-out=40 num-filters-out=64 time-offsets=-1,0,1 height-offsets=-1,0,1"),
)
class ConvolutionLayer(ConvolutionOptions):
    """2-D convolution; columns are ordered height by height, the filters of a height side by side."""

    height_in: int = option(-1, "height of the input, which has input dim / height-in filters", least=1)
    height_subsample_out: int = option(1, "heights of the input per height of the output", least=1)
    height_out: int = option(-1, "height of the output", least=1)
    height_offsets: str = option("", "heights the kernel reads, as -1,0,1")
    num_filters_in: int = option(-1, "filters of the input", derived=True)
    num_filters_out: int = option(-1, "filters of the output")
    time_offsets: str = option("", "frames the kernel reads, as -1,0,1")
    required_time_offsets: str = option("", "frames without which nothing is computed; all if not given")
    target_rms: float = option(1.0, "root mean square that renorm and batchnorm give", above=0.0)
    self_repair_scale: float = option(2.0e-05, "self-repair of the ReLU")
    self_repair_lower_threshold: float = option(0.05, "average derivative below which the ReLU is repaired")
    learning_rate_factor: Number = option("", "scales the learning rate")
    dropout_proportion: float = option(0.5, "dropout proportion, in types with `dropout`")

    def build(self, net: Emitter, x: Signal) -> Signal:
        """The operations of the type in order."""
        require(
            x.dim % self.height_in == 0, f"height-in={self.height_in} does not divide the input's dim {x.dim}"
        )
        self.num_filters_in = x.dim // self.height_in
        words = [word for word in self.words if word != "noconv"]
        if "conv" in words:
            self.check_kernel()
        self.check_heights()
        h, filters = x, self.num_filters_in
        for word in words:
            h = getattr(self, word)(net, h, filters)
            filters = self.num_filters_out if word == "conv" else filters
        dim = self.num_filters_out * self.height_out
        require(
            "conv" in words or self.num_filters_out < 0 or dim == x.dim,
            f"without convolution input dim {x.dim} cannot become output dim {dim}",
        )
        return h

    def check_kernel(self) -> None:
        """Offsets must be increasing integers."""
        require(self.num_filters_out > 0, f"num-filters-out={self.num_filters_out} must be at least 1")
        for key, value in (("height-offsets", self.height_offsets), ("time-offsets", self.time_offsets)):
            require(_increasing(value), f"{key}={value} is not a list of increasing integers")
        required = self.required_time_offsets
        require(
            required == "" or _increasing(required),
            f"required-time-offsets={required} are not increasing integers",
        )

    def check_heights(self) -> None:
        """The output's height must agree with the input's, up to what the kernel needs at the edges."""
        reach, edge = self.height_out * self.height_subsample_out, len(self.height_offsets.split(","))
        require(
            self.height_in - edge <= reach <= self.height_in,
            f"height-out={self.height_out} times height-subsample-out={self.height_subsample_out} "
            f"must lie between {self.height_in - edge} and {self.height_in} for height-in={self.height_in}",
        )

    def conv(self, net: Emitter, x: Signal, filters: int) -> Signal:
        """TimeHeightConvolutionComponent."""
        return net.add(
            "conv", CONVOLUTION, x, self.num_filters_out * self.height_out,
            **self.training, num_filters_in=filters, num_filters_out=self.num_filters_out,
            height_in=self.height_in, height_out=self.height_out,
            height_subsample_out=self.height_subsample_out,
            height_offsets=self.height_offsets,
            time_offsets=self.time_offsets, required_time_offsets=self.required_time_offsets,
            learning_rate_factor=self.learning_rate_factor,
        )  # fmt: skip

    def relu(self, net: Emitter, x: Signal, filters: int) -> Signal:
        """max(x, 0), statistics shared over height."""
        return net.add(
            "relu", "RectifiedLinearComponent", x, x.dim, dim=x.dim, block_dim=filters,
            self_repair_scale=self.self_repair_scale,
            self_repair_lower_threshold=self.self_repair_lower_threshold,
        )  # fmt: skip

    def batchnorm(self, net: Emitter, x: Signal, filters: int) -> Signal:
        """Each filter normalised over the minibatch and over height."""
        return net.add(
            "batchnorm",
            "BatchNormComponent",
            x,
            x.dim,
            dim=x.dim,
            block_dim=filters,
            target_rms=self.target_rms,
        )

    def renorm(self, net: Emitter, x: Signal, filters: int) -> Signal:
        """Each row scaled to the target root mean square."""
        return net.add("renorm", "NormalizeComponent", x, x.dim, dim=x.dim, target_rms=self.target_rms)

    def so(self, net: Emitter, x: Signal, filters: int) -> Signal:
        """A trainable scale and offset for each filter."""
        return net.add("so", "ScaleAndOffsetComponent", x, x.dim, dim=x.dim, block_dim=filters)

    def dropout(self, net: Emitter, x: Signal, filters: int) -> Signal:
        """Dropout per element."""
        proportion = self.dropout_proportion
        return net.add("dropout", "DropoutComponent", x, x.dim, dim=x.dim, dropout_proportion=proportion)


def _increasing(text: str) -> bool:
    try:
        numbers = [int(word) for word in text.split(",")]
    except ValueError:
        return False
    return all(a < b for a, b in pairwise(numbers))

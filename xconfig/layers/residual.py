"""Residual blocks of convolutions: ReLU and batch-norm before each convolution (res) or after it (res2)."""

from __future__ import annotations

from xconfig.emit import CONVOLUTION, Emitter, Signal, Value
from xconfig.kernel import ConvolutionOptions
from xconfig.layer import layer, option, option_group, require


@option_group
class ResidualLayer(ConvolutionOptions):
    """What both kinds of block share: the options of their convolutions and their pieces."""

    num_filters: int = option(-1, "filters of the output")
    num_bottleneck_filters: int = option(
        -1, "filters of the 3x3 convolution between two 1x1; -1: two 3x3 instead"
    )
    time_period: int = option(1, "frames between the columns of the kernel", least=1)
    self_repair_scale: float = option(2.0e-05, "self-repair of the ReLUs")
    self_repair_lower_threshold1: float = option(0.05, "average derivative below which ReLU 1 is repaired")
    self_repair_lower_threshold2: float = option(0.05, "the same for ReLU 2")
    self_repair_lower_threshold3: float = option(0.05, "the same for ReLU 3")
    allow_zero_padding: bool = option(True, "frames outside the input count as zero")

    def relu(self, net: Emitter, n: int, x: Signal, filters: int) -> Signal:
        """The n-th ReLU."""
        return net.add(
            f"relu{n}", "RectifiedLinearComponent", x, x.dim, dim=x.dim, block_dim=filters,
            self_repair_scale=self.self_repair_scale,
            self_repair_lower_threshold=getattr(self, f"self_repair_lower_threshold{n}"),
        )  # fmt: skip

    def batchnorm(self, net: Emitter, n: int, x: Signal, filters: int) -> Signal:
        """The n-th batch normalisation."""
        return net.add(f"batchnorm{n}", "BatchNormComponent", x, x.dim, dim=x.dim, block_dim=filters)

    def conv(
        self, net: Emitter, suffix: str, x: Signal, heights: tuple[int, int], filters: int,
        offsets: tuple[str, str], padding: bool, **keys: Value,
    ) -> Signal:  # fmt: skip
        """A convolution to `filters` filters; heights = (in, out), offsets = (height, time)."""
        return net.add(
            suffix, CONVOLUTION, x, filters * heights[1], height_in=heights[0], height_out=heights[1],
            height_offsets=offsets[0], time_offsets=offsets[1], num_filters_in=x.dim // heights[0],
            num_filters_out=filters, **keys,
            required_time_offsets=0 if padding else "", **self.training,
        )  # fmt: skip


@layer("res-block", example=(2048, "height=32 num-filters=64"))
class ResBlock(ResidualLayer):
    """Pre-activation block: (ReLU, batch-norm, convolution) twice, with bottleneck thrice, plus the input."""

    height: int = option(-1, "height of input and output", least=1)
    height_period: int = option(1, "heights between the rows of the kernel", least=1)
    bypass_source: str = option(
        "noop", "what is added to the last convolution", choices=("input", "noop", "relu", "batchnorm")
    )

    def build(self, net: Emitter, x: Signal) -> Signal:
        """relu, batchnorm, conv for each convolution; then the sum."""
        self.take_filters(x)
        filters = self.kernels()
        h, sources = x, {"input": x, "noop": x}
        for n, (count, offsets) in enumerate(filters, 1):
            before = h.dim // self.height
            h = self.relu(net, n, h, before)
            sources.setdefault("relu", h)
            h = self.batchnorm(net, n, h, before)
            sources.setdefault("batchnorm", h)
            h = self.conv(
                net, f"conv{n}", h, (self.height, self.height), count, offsets, self.allow_zero_padding
            )
        bypass = sources[self.bypass_source]
        if self.bypass_source != "noop":
            return Signal(f"Sum({h.text}, {bypass.text})", x.dim)
        return net.add("noop", "NoOpComponent", Signal(f"Sum({x.text}, {h.text})", x.dim), x.dim, dim=x.dim)

    def take_filters(self, x: Signal) -> None:
        """`num_filters` from the input, or checked against it."""
        if self.num_filters == -1:
            require(x.dim % self.height == 0, f"height={self.height} does not divide the input's dim {x.dim}")
            self.num_filters = x.dim // self.height
        dim = self.height * self.num_filters
        require(
            x.dim == dim, f"height={self.height} times num-filters={self.num_filters} is {dim}, not {x.dim}"
        )

    def kernels(self) -> list[tuple[int, tuple[str, str]]]:
        """(filters, (height offsets, time offsets)) of each convolution."""
        square = (
            f"-{self.height_period},0,{self.height_period}",
            f"-{self.time_period},0,{self.time_period}",
        )
        b = self.num_bottleneck_filters
        if b <= 0:
            return [(self.num_filters, square)] * 2
        return [(b, ("0", "0")), (b, square), (self.num_filters, ("0", "0"))]


@layer("res2-block", example=(2048, "height-in=32 height-out=16 num-filters=128 time-period=2"))
class Res2Block(ResidualLayer):
    """Post-activation block, which may halve the height and change the filters."""

    height: int = option(-1, "height of input and output, or else:", least=1, off=-1)
    height_in: int = option(-1, "height of the input", least=1, off=-1)
    height_out: int = option(-1, "height of the output, the input's or about half of it", least=1, off=-1)

    def build(self, net: Emitter, x: Signal) -> Signal:
        """conv, batchnorm, scaleoffset, relu for each convolution, the sum before the last relu."""
        self.take_heights(x)
        subsample = 1 if self.height_out == self.height_in else 2
        narrow = subsample == 1 and x.dim // self.height_in == self.num_filters
        bypass = x if narrow else net.signal("conv_bypass", self.num_filters * self.height_out)
        h, height = x, self.height_in
        kernels = self.kernels(subsample)
        for n, (filters, offsets) in enumerate(kernels, 1):
            h = self.conv(
                net, f"conv{n}", h, (height, self.height_out), filters, offsets, self.allow_zero_padding,
                height_subsample_out=subsample if n == 1 else 1,
            )  # fmt: skip
            height = self.height_out
            h = self.batchnorm(net, n, h, filters)
            h = net.add(f"scaleoffset{n}", "ScaleAndOffsetComponent", h, h.dim, dim=h.dim, block_dim=filters)
            total = Signal(f"Sum({h.text}, {bypass.text})", h.dim) if n == len(kernels) else h
            h = self.relu(net, n, total, filters)
        if not narrow:
            heights = (self.height_in, self.height_out)
            self.conv(
                net,
                "conv_bypass",
                x,
                heights,
                self.num_filters,
                ("0", "0"),
                False,
                height_subsample_out=subsample,
            )
        return h

    def take_heights(self, x: Signal) -> None:
        """`height_in` and `height_out` from `height`, checked against each other and the input."""
        one, two = self.height > 0, self.height_in > 0 and self.height_out > 0
        require(
            one != two and (two or self.height_in == self.height_out),
            "give height, or height-in and height-out",
        )
        if one:
            self.height_in = self.height_out = self.height
        require(self.num_filters > 0, f"num-filters={self.num_filters} must be at least 1")
        require(
            x.dim % self.height_in == 0, f"height-in={self.height_in} does not divide the input's dim {x.dim}"
        )
        require(
            self.height_out == self.height_in or abs(2 * self.height_out - self.height_in) <= 2,
            f"height-out={self.height_out} is neither height-in={self.height_in} nor about half of it",
        )

    def kernels(self, subsample: int) -> list[tuple[int, tuple[str, str]]]:
        """(filters, (height offsets, time offsets)) of each convolution."""
        b, p = self.num_bottleneck_filters, self.time_period
        if b > 0:
            return [(b, ("0", "0")), (b, ("-1,0,1", f"-{p},0,{p}")), (self.num_filters, ("0", "0"))]
        require(p % subsample == 0, f"time-period={p} must be even where the height is halved")
        q = p // subsample
        return [(self.num_filters, ("-1,0,1", f"-{period},0,{period}")) for period in (q, p)]

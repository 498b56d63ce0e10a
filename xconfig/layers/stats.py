"""Statistics over time: mean, standard deviation and count in a moving or global window."""

from __future__ import annotations

import re

from xconfig.emit import Emitter, Signal
from xconfig.layer import Layer, layer, option, require

_CONFIG = re.compile(r"mean(\+stddev)?(\+count)?\((-?\d+):(\d+):(\d+):(-?\d+)\)")


@layer("stats-layer", example=(512, "config=mean+stddev(-99:3:9:99)"))
class StatsLayer(Layer):
    """Statistics of the input over a window of frames."""

    dim: int = option(-1, "number of columns of the output, checked if given")
    config: str = option(
        "",
        "WHAT(-L:in:out:R): WHAT is mean, mean+stddev, mean+count or mean+stddev+count; the window spans "
        "L frames back to R ahead, reads every `in`-th frame and is computed every `out` frames",
        required=True,
    )

    def build(self, net: Emitter, x: Signal) -> Signal:
        """extraction -> pooling, read at multiples of the output period."""
        match = _CONFIG.fullmatch(self.config)
        if match is None:
            raise ValueError(f"config={self.config} is not of the form mean+stddev+count(-L:in:out:R)")
        stddev, count = match.group(1) is not None, match.group(2) is not None
        left, period_in, period, right = -int(match[3]), int(match[4]), int(match[5]), int(match[6])
        self.check_window(left, period_in, period, right)
        width = x.dim * (2 if stddev else 1)
        dim = width + count
        require(self.dim <= 0 or self.dim == dim, f"dim={self.dim}, but the statistics have dim {dim}")
        self.dim = dim
        # `-extraction-L-R` belongs to the name itself, with no dot before it
        h = f"{self.name}-extraction-{left}-{right}"
        y = f"{self.name}-pooling-{left}-{right}"
        net.line(
            f"component name={h} type=StatisticsExtractionComponent input-dim={x.dim} "
            f"input-period={period_in} output-period={period} include-variance={str(stddev).lower()}"
        )
        net.line(f"component-node name={h} component={h} input={x.text}")
        net.line(
            f"component name={y} type=StatisticsPoolingComponent input-dim={1 + width} input-period={period} "
            f"left-context={left} right-context={right} num-log-count-features={int(count)} "
            f"output-stddevs={str(stddev).lower()}"
        )
        net.line(f"component-node name={y} component={y} input={h}")
        return Signal(f"Round({y}, {period})", dim)

    def check_window(self, left: int, period_in: int, period: int, right: int) -> None:
        """The window's ends must be multiples of the output period, and that of the input period."""
        require(left >= 0 and right >= 0, f"config={self.config}: the window must span frame 0")
        require(period_in > 0 and period > 0, f"config={self.config}: periods must be positive")
        for what, number, of in (("-L", left, period), ("R", right, period), ("out", period, period_in)):
            require(number % of == 0, f"config={self.config}: {what} = {number} is not a multiple of {of}")

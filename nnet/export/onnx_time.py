"""Components as ONNX operators: those that look at several frames, TDNN layers and convolutions."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from math import gcd

import numpy as np

from nnet.backend import to_host
from nnet.components.convolution import TimeHeightConvolution
from nnet.components.tdnn import Tdnn
from nnet.export.onnx_graph import OnnxGraph, Signal


def tdnn(g: OnnxGraph, c: Tdnn, x: Signal) -> Signal:
    """Frames side by side, then one matrix."""
    spliced = g.joined([x.shifted(offset) for offset in c.time_offsets], "Concat")
    name = g.affine(spliced.name, to_host(c.W), c.b)
    return Signal(name, c.output_dim, spliced.first, spliced.short, x.timeless)


def convolution(g: OnnxGraph, c: TimeHeightConvolution, x: Signal) -> Signal:
    """Conv over (time, height) with zeros around the heights, and before and after the frames where allowed.

    Raises ValueError for a signal without frames.
    """
    if x.timeless:
        raise ValueError("a convolution over time cannot be computed from an i-vector")
    times, heights = grid([t for t, _ in c.offsets]), grid([h for _, h in c.offsets])
    first = max(x.first - t for t in c.required_time_offsets)
    short = max(x.short + t for t in c.required_time_offsets)
    before, after = x.first - (first + times[0]), x.short - (short - times[-1])
    name = g.cut(x, x.first + max(0, -before), x.short + max(0, -after))
    image = g.op("Transpose", g.reshaped(name, c.height_in, c.num_filters_in), perm=[0, 3, 1, 2])
    below = -heights[0]
    above = (c.height_out - 1) * c.height_subsample_out + heights[-1] - (c.height_in - 1)
    if below < 0 or above < 0:
        image = g.sliced(image, 3, max(0, -below), c.height_in - max(0, -above))
    y = g.op(
        "Conv",
        image,
        g.floats(kernel(c, times, heights)),
        g.floats(c.b),
        strides=[1, c.height_subsample_out],
        dilations=[times.step, heights.step],
        pads=[max(0, before), max(0, below), max(0, after), max(0, above)],
    )
    name = g.reshaped(g.op("Transpose", y, perm=[0, 2, 3, 1]), c.output_dim)
    return Signal(name, c.output_dim, first, short)


def grid(offsets: list[int]) -> range:
    """The evenly spaced numbers, as few as possible, among which all offsets are."""
    values = sorted(set(offsets))
    step = reduce(gcd, (b - a for a, b in pairwise(values)), 0) or 1
    return range(values[0], values[-1] + 1, step)


def kernel(c: TimeHeightConvolution, times: range, heights: range) -> np.ndarray:
    """W as (filters out, filters in, times, heights), zero where there is no offset."""
    K = np.zeros((c.num_filters_out, c.num_filters_in, len(times), len(heights)), np.float32)
    blocks = to_host(c.W).reshape(c.num_filters_out, len(c.offsets), c.num_filters_in)
    for k, (t, h) in enumerate(c.offsets):
        K[:, :, times.index(t), heights.index(h)] = blocks[:, k]
    return K

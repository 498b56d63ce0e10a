"""Components as ONNX operators: those that look at one frame at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from nnet.backend import to_host
from nnet.components.convolution_old import ZYX
from nnet.components.elementwise import away_from_zero
from nnet.components.normalize import SQUARED_NORM_FLOOR
from nnet.export.onnx_graph import OnnxGraph

SOFTMAX_FLOOR = 1e-20
Convert = Callable[[OnnxGraph, Any, str], str]  # graph, component, name of x -> name of y


def linear(g: OnnxGraph, c: Any, x: str) -> str:
    """W x + b, or W x."""
    return g.affine(x, to_host(c.W), getattr(c, "b", None))


def repeated_affine(g: OnnxGraph, c: Any, x: str) -> str:
    """One affine map for each of num_repeats parts of the columns."""
    y = g.affine(g.reshaped(x, c.num_repeats, -1), c.W, c.b)
    return g.reshaped(y, c.output_dim)


def block_affine(g: OnnxGraph, c: Any, x: str) -> str:
    """A block-diagonal matrix."""
    rows, columns = len(c.W) // c.num_blocks, c.W.shape[1]
    W = np.zeros((c.output_dim, c.input_dim), np.float32)
    for i in range(c.num_blocks):
        W[i * rows : (i + 1) * rows, i * columns : (i + 1) * columns] = c.W[i * rows : (i + 1) * rows]
    return g.affine(x, W, c.b)


def scale_and_offset(scale: Any, offset: Any, dim: int) -> Convert:
    """y = scale * x + offset; vectors shorter than `dim` are repeated, None leaves one out."""

    def convert(g: OnnxGraph, c: Any, x: str) -> str:
        for kind, v in (("Mul", scale), ("Add", offset)):
            if v is not None:
                x = g.op(kind, x, g.floats(np.tile(to_host(v), dim // len(v))))
        return x

    return convert


def fixed_scale(g: OnnxGraph, c: Any, x: str) -> str:
    """y = scales * x."""
    return scale_and_offset(c.scales, None, c.output_dim)(g, c, x)


def fixed_bias(g: OnnxGraph, c: Any, x: str) -> str:
    """y = x + bias."""
    return scale_and_offset(None, c.bias, c.output_dim)(g, c, x)


def offset(g: OnnxGraph, c: Any, x: str) -> str:
    """y = x + offsets."""
    return scale_and_offset(None, c.offsets, c.dim)(g, c, x)


def scale_offset(g: OnnxGraph, c: Any, x: str) -> str:
    """y = scales * x + offsets, no scale near zero."""
    return scale_and_offset(away_from_zero(c.scales), c.offsets, c.dim)(g, c, x)


def batch_norm(g: OnnxGraph, c: Any, x: str) -> str:
    """Test mode: scale and offset from the statistics."""
    scale, shift = c.scale_and_offset()
    return scale_and_offset(scale, shift, c.dim)(g, c, x)


def normalize(g: OnnxGraph, c: Any, x: str) -> str:
    """x / rms(x) per block, perhaps with log rms(x) as one more column."""
    blocks = g.reshaped(x, c.dim // c.block_dim, c.block_dim) if c.block_dim != c.dim else x
    axis = g.ints(3 if c.block_dim != c.dim else 2)
    square = g.op("ReduceSumSquare", blocks, axis, keepdims=1)
    p = g.op("Div", square, g.floats(c.block_dim * c.target_rms**2))
    rms = g.op("Sqrt", g.op("Max", p, g.floats(SQUARED_NORM_FLOOR)))
    y = g.op("Div", blocks, rms)
    if c.add_log_stddev:
        y = g.op("Concat", y, g.op("Add", g.op("Log", rms), g.floats(math.log(c.target_rms))), axis=-1)
    return g.reshaped(y, c.output_dim) if c.block_dim != c.dim else y


def unary(kind: str) -> Convert:
    """A function of single elements."""
    return lambda g, c, x: g.op(kind, x)


def softmax(g: OnnxGraph, c: Any, x: str) -> str:
    """Softmax, floored as Kaldi's."""
    return g.op("Max", g.op("Softmax", x, axis=-1), g.floats(SOFTMAX_FLOOR))


def log_softmax(g: OnnxGraph, c: Any, x: str) -> str:
    """Logarithm of softmax."""
    return g.op("LogSoftmax", x, axis=-1)


def same(g: OnnxGraph, c: Any, x: str) -> str:
    """What does nothing outside training."""
    return x


def dropout(g: OnnxGraph, c: Any, x: str) -> str:
    """The plain dropout of Kaldi scales in test mode."""
    return g.op("Mul", x, g.floats(1 - c.dropout_proportion)) if c.dropout_proportion else x


def truncation(g: OnnxGraph, c: Any, x: str) -> str:
    """Forward it only scales."""
    return g.op("Mul", x, g.floats(c.scale)) if c.scale != 1 else x


def permute(g: OnnxGraph, c: Any, x: str) -> str:
    """y[..., i] = x[..., column_map[i]]."""
    return g.op("Gather", x, g.ints(*c.column_map), axis=2)


def over_parts(kind: str) -> Convert:
    """Sum or product of the parts of x, dim_out columns each."""

    def convert(g: OnnxGraph, c: Any, x: str) -> str:
        y = g.op(kind, g.reshaped(x, -1, c.dim_out), g.ints(2), keepdims=0)
        scale = getattr(c, "scale", 1.0)
        return g.op("Mul", y, g.floats(scale)) if scale != 1 else y

    return convert


def pnorm(g: OnnxGraph, c: Any, x: str) -> str:
    """Euclidean norm of groups of neighbours."""
    return g.op("ReduceL2", g.reshaped(x, c.dim_out, -1), g.ints(3), keepdims=0)


def sum_group(g: OnnxGraph, c: Any, x: str) -> str:
    """Sums of groups of neighbours, of different sizes, as a product with zeros and ones."""
    return g.affine(x, np.repeat(np.eye(len(c.sizes), dtype=np.float32), c.sizes, axis=1))


def constant_function(g: OnnxGraph, c: Any, x: str) -> str:
    """The same vector at every frame."""
    return g.repeated(g.floats(to_host(c.output)[None, None]), x)


def composite(g: OnnxGraph, c: Any, x: str) -> str:
    """Components one after the other."""
    for part in c.parts:
        if part.TYPE not in CONVERTERS:
            raise ValueError(f"a part of the component is a {part.TYPE}, which cannot be exported to ONNX")
        x = CONVERTERS[part.TYPE](g, part, x)
    return x


def patch_convolution(g: OnnxGraph, c: Any, x: str) -> str:
    """Patches of the row, gathered, times W."""
    shape = (c.input_x_dim, c.input_y_dim, c.input_z_dim)
    at = np.arange(c.input_dim).reshape(shape)
    if c.input_vectorization != ZYX:
        at = np.arange(c.input_dim).reshape(shape[0], shape[2], shape[1]).transpose(0, 2, 1)
    seen = sliding_window_view(at, (c.filt_x_dim, c.filt_y_dim), axis=(0, 1))  # (X, Y, Z, filter x, y)
    seen = seen[:: c.filt_x_step, :: c.filt_y_step].transpose(0, 1, 3, 4, 2)
    patches = g.reshaped(g.op("Gather", x, g.ints(*seen.ravel().tolist()), axis=2), -1, c.W.shape[1])
    return g.reshaped(g.affine(patches, to_host(c.W), c.b), c.output_dim)


def max_pooling(g: OnnxGraph, c: Any, x: str) -> str:
    """The largest element of each pool."""
    at = np.arange(c.input_dim).reshape(c.input_x_dim, c.input_y_dim, c.input_z_dim)
    seen = sliding_window_view(at, (c.pool_x_size, c.pool_y_size, c.pool_z_size))
    seen = seen[:: c.pool_x_step, :: c.pool_y_step, :: c.pool_z_step]
    pools = g.op("Gather", x, g.ints(*seen.ravel().tolist()), axis=2)
    return g.op("ReduceMax", g.reshaped(pools, c.output_dim, -1), g.ints(3), keepdims=0)


CONVERTERS: dict[str, Convert] = {
    "AffineComponent": linear,
    "NaturalGradientAffineComponent": linear,
    "LinearComponent": linear,
    "FixedAffineComponent": linear,
    "RepeatedAffineComponent": repeated_affine,
    "NaturalGradientRepeatedAffineComponent": repeated_affine,
    "BlockAffineComponent": block_affine,
    "FixedScaleComponent": fixed_scale,
    "PerElementScaleComponent": fixed_scale,
    "NaturalGradientPerElementScaleComponent": fixed_scale,
    "FixedBiasComponent": fixed_bias,
    "PerElementOffsetComponent": offset,
    "ScaleAndOffsetComponent": scale_offset,
    "BatchNormComponent": batch_norm,
    "NormalizeComponent": normalize,
    "SigmoidComponent": unary("Sigmoid"),
    "TanhComponent": unary("Tanh"),
    "RectifiedLinearComponent": unary("Relu"),
    "SoftmaxComponent": softmax,
    "LogSoftmaxComponent": log_softmax,
    "NoOpComponent": same,
    "GeneralDropoutComponent": same,
    "SpecAugmentTimeMaskComponent": same,
    "ClipGradientComponent": same,
    "DropoutComponent": dropout,
    "BackpropTruncationComponent": truncation,
    "PermuteComponent": permute,
    "SumBlockComponent": over_parts("ReduceSum"),
    "ElementwiseProductComponent": over_parts("ReduceProd"),
    "PnormComponent": pnorm,
    "SumGroupComponent": sum_group,
    "ConstantFunctionComponent": constant_function,
    "CompositeComponent": composite,
    "ConvolutionComponent": patch_convolution,
    "MaxpoolingComponent": max_pooling,
}

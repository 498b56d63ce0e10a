"""Affine layers with a block-diagonal matrix: one block repeated, or blocks of their own."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

import numpy as np

from nnet.backend import Array, array_module
from nnet.columns import Columns
from nnet.component import Component, Io, Updatable, common_options, config, param
from nnet.config_line import ConfigLine
from nnet.kernels.sums import column_sums
from nnet.outer import NaturalGradient, add_gradient
from nnet.summary import rms_info, vector_info
from nnet.weights import positive, random_vector


@dataclass(kw_only=True, eq=False)
class RepeatedAffine(Updatable):
    """y_i = W x_i + b for each of num_repeats blocks i of columns.    W: (out, in) / num_repeats."""

    TYPE: ClassVar[str] = "RepeatedAffineComponent"

    num_repeats: int = config()
    W: Array = param("out/num_repeats in/num_repeats")
    b: Array = param("out/num_repeats")

    @property
    def input_dim(self) -> int:
        return self.num_repeats * int(self.W.shape[1])

    @property
    def output_dim(self) -> int:
        return self.num_repeats * int(self.W.shape[0])

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        options = common_options(line)
        repeats, high, wide = blocks(line, "num-repeats")
        W = block_weights(line, rng, (high, wide))
        b = random_vector(high, rng, line.float("bias-mean", 0.0), line.float("bias-stddev", 0.0))
        return cls(num_repeats=repeats, W=W, b=b, **options)

    def forward(self, x: Array, io: Io) -> tuple[Array, Any]:
        y = self._rows(x) @ self.W.T  # (T N num_repeats, out / num_repeats)
        y += self.b
        return y.reshape(*x.shape[:2], self.output_dim), None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        return (dy.reshape(-1, len(self.W)) @ self.W).reshape(x.shape)

    def update(self, delta: Self, dy: Array, x: Array, y: Array, memo: Any, io: Io) -> None:
        G = Columns([self._rows(x)], ones=True).under(dy.reshape(-1, len(self.W)))  # [dW | db]
        add_gradient(delta, G, delta.W, delta.b, natural=self.natural())

    def natural(self) -> tuple[NaturalGradient, None] | None:
        """Settings of the preconditioner of the rows of [dW | db], or None."""
        return None

    def _rows(self, x: Array) -> Array:
        return x.reshape(-1, self.W.shape[1])

    def info(self) -> list[str]:
        return [
            *super().info(),
            f"num-repeats={self.num_repeats}",
            rms_info("linear-params", self.W),
            vector_info("bias", self.b),
        ]


@dataclass(kw_only=True, eq=False)
class NaturalGradientRepeatedAffine(RepeatedAffine):
    """y_i = W x_i + b, the gradient of the repeated block preconditioned; its settings are fixed."""

    TYPE: ClassVar[str] = "NaturalGradientRepeatedAffineComponent"

    def natural(self) -> tuple[NaturalGradient, None]:
        rank = max(1, min(40, self.W.shape[1] // 2))
        return NaturalGradient(rank, freezes=False), None


@dataclass(kw_only=True, eq=False)
class BlockAffine(Updatable):
    """y_i = W_i x_i + b_i for blocks i of columns.    W: (out, in / num_blocks), blocks below each other."""

    TYPE: ClassVar[str] = "BlockAffineComponent"

    num_blocks: int = config()
    W: Array = param("out in/num_blocks")
    b: Array = param("out")

    @property
    def input_dim(self) -> int:
        return self.num_blocks * int(self.W.shape[1])

    @property
    def output_dim(self) -> int:
        return int(self.W.shape[0])

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        options = common_options(line)
        number, high, wide = blocks(line, "num-blocks")
        W = block_weights(line, rng, (number * high, wide))
        b = random_vector(len(W), rng, line.float("bias-mean", 0.0), line.float("bias-stddev", 1.0))
        return cls(num_blocks=number, W=W, b=b, **options)

    def forward(self, x: Array, io: Io) -> tuple[Array, Any]:
        y = self._joined(array_module(x).matmul(self._blocks(x), self._weights().transpose(0, 2, 1)))
        y += self.b
        return y.reshape(*x.shape[:2], self.output_dim), None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        return self._joined(array_module(dy).matmul(self._blocks(dy), self._weights())).reshape(x.shape)

    def update(self, delta: Self, dy: Array, x: Array, y: Array, memo: Any, io: Io) -> None:
        rate = delta.learning_rate
        dW = array_module(x).matmul(self._blocks(dy).transpose(0, 2, 1), self._blocks(x))
        delta.W += rate * dW.reshape(self.W.shape)
        delta.b += rate * column_sums(dy.reshape(-1, len(self.b)))

    def _weights(self) -> Array:
        """(num_blocks, out / num_blocks, in / num_blocks)."""
        return self.W.reshape(self.num_blocks, -1, self.W.shape[1])

    def _blocks(self, x: Array) -> Array:
        """(T, N, D) seen as (num_blocks, T N, D / num_blocks)."""
        return x.reshape(x.shape[0] * x.shape[1], self.num_blocks, x.shape[2] // self.num_blocks).transpose(
            1, 0, 2
        )

    def _joined(self, y: Array) -> Array:
        """(num_blocks, T N, D) as rows (T N, num_blocks D)."""
        return y.transpose(1, 0, 2).reshape(y.shape[1], y.shape[0] * y.shape[2])

    def info(self) -> list[str]:
        return [
            *super().info(),
            f"num-blocks={self.num_blocks}",
            rms_info("linear-params", self.W),
            vector_info("bias", self.b),
        ]


def unrepeated(c: Component) -> Component:
    """`c` with blocks of their own in place of repeated ones (Kaldi: ConvertRepeatedToBlockAffine)."""
    if isinstance(c, RepeatedAffine):
        xp, n = array_module(c.W), c.num_repeats
        shared = {f.name: getattr(c, f.name) for f in fields(Updatable) if f.name != "scratch"}
        return BlockAffine(num_blocks=n, W=xp.tile(c.W, (n, 1)), b=xp.tile(c.b, n), **shared)
    if c.leaves() == (c,):
        return c
    return replace(c, parts=tuple(unrepeated(part) for part in c.leaves()))  # type: ignore[call-arg]


def blocks(line: ConfigLine, key: str) -> tuple[int, int, int]:
    """The number of blocks, and the rows and columns of one."""
    number = positive(line, key)
    dim_in, dim_out = positive(line, "input-dim"), positive(line, "output-dim")
    if dim_in % number or dim_out % number:
        raise ValueError(
            f"{line.where}: {key}={number} does not divide input-dim={dim_in} and output-dim={dim_out}"
        )
    return number, dim_out // number, dim_in // number


def block_weights(line: ConfigLine, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Normal weights of stddev param-stddev, by default 1 / sqrt(columns)."""
    stddev = line.float("param-stddev", 1 / math.sqrt(shape[1]))
    return np.float32(stddev) * rng.standard_normal(shape, dtype=np.float32)

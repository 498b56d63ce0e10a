"""Scales and offsets per dimension, fixed or trained; blocks shorter than the dimension repeat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from nnet.backend import Array, array_module
from nnet.component import Component, Io, Updatable, common_options, config, param
from nnet.config_line import ConfigLine
from nnet.outer import NaturalGradient, add_row_sum
from nnet.summary import vector_info
from nnet.weights import check_block, positive, random_vector, read_vector, vector_or_random

SMALLEST_SCALE = 1e-4  # ScaleAndOffset keeps away from zero by this much


@dataclass(kw_only=True, eq=False)
class FixedScale(Component):
    """y = scales * x.    scales: (dim,)."""

    TYPE: ClassVar[str] = "FixedScaleComponent"

    scales: Array = config()

    @property
    def input_dim(self) -> int:
        return len(self.scales)

    @property
    def output_dim(self) -> int:
        return len(self.scales)

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        if line.has("scales"):
            return cls(scales=read_vector(line, "scales"))
        dim = positive(line, "dim")
        if line.has("scale"):
            return cls(scales=np.full(dim, line.float("scale"), np.float32))
        return cls(scales=random_vector(dim, rng, 0.0, 1.0))

    def forward(self, x: Array, io: Io) -> tuple[Array, Any]:
        return x * self.scales, None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        return dy * self.scales

    def info(self) -> list[str]:
        return [*super().info(), vector_info("scales", self.scales)]


@dataclass(kw_only=True, eq=False)
class FixedBias(Component):
    """y = x + bias.    bias: (dim,)."""

    TYPE: ClassVar[str] = "FixedBiasComponent"

    bias: Array = config()

    @property
    def input_dim(self) -> int:
        return len(self.bias)

    @property
    def output_dim(self) -> int:
        return len(self.bias)

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        if line.has("bias"):
            return cls(bias=read_vector(line, "bias"))
        return cls(bias=random_vector(positive(line, "dim"), rng, 0.0, 1.0))

    def forward(self, x: Array, io: Io) -> tuple[Array, Any]:
        return x + self.bias, None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        return dy.copy()

    def info(self) -> list[str]:
        return [*super().info(), vector_info("bias", self.bias)]


@dataclass(kw_only=True, eq=False)
class PerElementScale(Updatable):
    """y = scales * x, the scales trained.    scales: (dim,)."""

    TYPE: ClassVar[str] = "PerElementScaleComponent"
    FILE_KEY: ClassVar[str] = "vector"  # the option that names a file with the scales

    scales: Array = param("dim")

    @property
    def input_dim(self) -> int:
        return len(self.scales)

    @property
    def output_dim(self) -> int:
        return len(self.scales)

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        options = common_options(line)
        return cls(scales=vector_or_random(line, rng, cls.FILE_KEY, "dim", 1.0), **options)

    def forward(self, x: Array, io: Io) -> tuple[Array, Any]:
        return x * self.scales, None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        return dy * self.scales

    def update(self, delta: Self, dy: Array, x: Array, y: Array, memo: Any, io: Io) -> None:
        add_row_sum(delta, delta.scales, folded(x * dy, self.scales), self.natural(), "scales")

    def natural(self) -> NaturalGradient | None:
        """Settings of the preconditioner of the rows x * dy, or None."""
        return None

    def info(self) -> list[str]:
        return [*super().info(), *range_info("scales", self.scales), vector_info("scales", self.scales)]


@dataclass(kw_only=True, eq=False)
class NaturalGradientPerElementScale(PerElementScale):
    """y = scales * x, the rows x * dy preconditioned before they are summed."""

    TYPE: ClassVar[str] = "NaturalGradientPerElementScaleComponent"
    FILE_KEY: ClassVar[str] = "scales"

    rank: int = config(8)
    update_period: int = config(10)
    num_samples_history: float = config(2000.0)
    alpha: float = config(4.0)

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        c = super().configure(line, rng)
        c.rank, c.update_period = line.int("rank", 8), line.int("update-period", 10)
        c.num_samples_history = line.float("num-samples-history", 2000.0)
        c.alpha = line.float("alpha", 4.0)
        return c

    def natural(self) -> NaturalGradient:
        return NaturalGradient(self.rank, self.alpha, self.update_period, self.num_samples_history)

    def info(self) -> list[str]:
        return [
            *super().info(),
            f"rank={self.rank}",
            f"update-period={self.update_period}",
            f"num-samples-history={self.num_samples_history:g}",
            f"alpha={self.alpha:g}",
        ]


@dataclass(kw_only=True, eq=False)
class PerElementOffset(Updatable):
    """y = x + offsets.    offsets: (block,), used dim / block times over."""

    TYPE: ClassVar[str] = "PerElementOffsetComponent"

    offsets: Array = param("block")
    dim: int = config()
    use_natural_gradient: bool = config(True)

    @property
    def input_dim(self) -> int:
        return self.dim

    @property
    def output_dim(self) -> int:
        return self.dim

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        options = common_options(line)
        natural = line.bool("use-natural-gradient", True)
        if line.has("vector"):
            offsets = read_vector(line, "vector")
            dim = line.int("dim", len(offsets))
        else:
            dim = positive(line, "dim")
            offsets = vector_or_random(
                line, rng, "vector", "block-dim" if line.has("block-dim") else "dim", 0.0
            )
        check_block(line, dim, len(offsets))
        return cls(offsets=offsets, dim=dim, use_natural_gradient=natural, **options)

    def forward(self, x: Array, io: Io) -> tuple[Array, Any]:
        return (folded(x, self.offsets) + self.offsets).reshape(x.shape), None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        return dy.copy()

    def update(self, delta: Self, dy: Array, x: Array, y: Array, memo: Any, io: Io) -> None:
        natural = NaturalGradient(20, freezes=False) if self.use_natural_gradient else None
        add_row_sum(delta, delta.offsets, folded(dy, self.offsets), natural, "offsets")

    def info(self) -> list[str]:
        return [
            *super().info(),
            *range_info("offsets", self.offsets),
            f"block-dim={len(self.offsets)}",
            f"use-natural-gradient={str(self.use_natural_gradient).lower()}",
            vector_info("offsets", self.offsets),
        ]


@dataclass(kw_only=True, eq=False)
class ScaleAndOffset(Updatable):
    """y = s * x + offsets, s the scales pushed at least 1e-4 away from zero.    Both: (block,).

    Kaldi rebuilds x as (y - offsets) / s to save memory; x is at hand here, the same up to rounding.
    """

    TYPE: ClassVar[str] = "ScaleAndOffsetComponent"

    dim: int = config()
    scales: Array = param("block")
    offsets: Array = param("block")
    use_natural_gradient: bool = config(True)
    rank: int = config(20)

    @property
    def input_dim(self) -> int:
        return self.dim

    @property
    def output_dim(self) -> int:
        return self.dim

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        options = common_options(line)
        dim = positive(line, "dim")
        block = line.int("block-dim", dim)
        check_block(line, dim, block)
        return cls(
            dim=dim,
            scales=np.ones(block, np.float32),
            offsets=np.zeros(block, np.float32),
            use_natural_gradient=line.bool("use-natural-gradient", True),
            rank=line.int("rank", 20),
            **options,
        )

    def forward(self, x: Array, io: Io) -> tuple[Array, Any]:
        y = folded(x, self.scales) * away_from_zero(self.scales)
        y += self.offsets
        return y.reshape(x.shape), None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        return (folded(dy, self.scales) * self.scales).reshape(dy.shape)

    def update(self, delta: Self, dy: Array, x: Array, y: Array, memo: Any, io: Io) -> None:
        natural = NaturalGradient(self.rank, freezes=False) if self.use_natural_gradient else None
        rows = folded(dy, self.offsets)
        add_row_sum(delta, delta.offsets, rows, natural, "offsets")
        add_row_sum(delta, delta.scales, folded(x, self.scales) * rows, natural, "scales")

    def info(self) -> list[str]:
        block = [f"block-size={len(self.scales)}"] if len(self.scales) != self.dim else []
        return [
            *super().info(),
            f"rank={self.rank}",
            *block,
            vector_info("scales", self.scales),
            vector_info("offsets", self.offsets),
        ]


def folded(x: Array, block: Array) -> Array:
    """(T, N, D) seen as rows as long as `block`."""
    return x.reshape(-1, len(block))


def away_from_zero(v: Array) -> Array:
    """v with elements nearer to zero than 1e-4 moved to 1e-4 of their sign (Kaldi: EnsureNonzero)."""
    xp = array_module(v)
    least = v.dtype.type(SMALLEST_SCALE)
    return xp.where(xp.abs(v) >= least, v, xp.where(v >= 0, least, -least))


def range_info(name: str, v: Array) -> list[str]:
    """Smallest and largest element, as nnet3-info prints them."""
    return [f"{name}-min={float(v.min()):g}", f"{name}-max={float(v.max()):g}"]

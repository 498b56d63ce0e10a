"""Normalisation: each row to a given root mean square, or each dimension over the minibatch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from nnet.backend import Array, array_module
from nnet.component import Component, Io, config, flat, stat
from nnet.config_line import ConfigLine
from nnet.kernels import normalise
from nnet.kernels.sums import row_products
from nnet.summary import summarize

SQUARED_NORM_FLOOR = 2.0**-66  # of a row's mean square over target_rms^2; its root is exact in float32


def check_dims(line: ConfigLine, dim: int, block_dim: int, **positive: float) -> None:
    """Raise ValueError unless dim is a multiple of block_dim and all other settings are positive."""
    if dim <= 0 or block_dim <= 0 or dim % block_dim:
        raise ValueError(f"{line.where}: dim={dim} is not a positive multiple of block-dim={block_dim}")
    for name, value in positive.items():
        if not value > 0:
            raise ValueError(f"{line.where}: {name.replace('_', '-')}={value} is not positive")


@dataclass(kw_only=True, eq=False)
class Normalize(Component):
    """y = x * target_rms / rms(x) per row, or per block of block_dim columns.

    With `add_log_stddev` each block of y ends in one more column, log rms(x). memo: x'x of each block.
    """

    TYPE = "NormalizeComponent"

    dim: int = config()
    block_dim: int = config()
    target_rms: float = config(1.0)
    add_log_stddev: bool = config(False)

    @property
    def input_dim(self) -> int:
        return self.dim

    @property
    def output_dim(self) -> int:
        return self.dim + (self.dim // self.block_dim if self.add_log_stddev else 0)

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        dim = line.int("dim") if line.has("dim") else line.int("input-dim")
        c = cls(
            dim=dim,
            block_dim=line.int("block-dim", dim),
            target_rms=line.float("target-rms", 1.0),
            add_log_stddev=line.bool("add-log-stddev", False),
        )
        check_dims(line, dim, c.block_dim, target_rms=c.target_rms)
        return c

    def forward(self, x: Array, io: Io) -> tuple[Array, Array]:
        xp = array_module(x)
        rows = x.reshape(-1, self.block_dim)
        sumsq = row_products(rows, rows)
        f = self._mean_square(sumsq) ** -0.5
        if not self.add_log_stddev:
            y = rows * f[:, None]
        else:
            y = xp.empty((len(rows), self.block_dim + 1), x.dtype)
            xp.multiply(rows, f[:, None], out=y[:, :-1])
            y[:, -1] = math.log(self.target_rms) - xp.log(f)
        return y.reshape(*x.shape[:-1], self.output_dim), sumsq.reshape(len(x), -1)

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        rows = x.reshape(-1, self.block_dim)
        g = dy.reshape(len(rows), -1)
        g, g_log = g[:, : self.block_dim], g[:, self.block_dim :]
        sumsq = memo.reshape(-1)
        p = self._mean_square(sumsq)
        f = p**-0.5
        # dx = f dy + x * along, where along = -f^3 (dy'x) / (D target_rms^2), zero at the floor
        along = row_products(g, rows) / (-self._size() * p)
        along *= p > SQUARED_NORM_FLOOR
        if self.add_log_stddev:
            along += g_log[:, 0] / (f * sumsq.clip(self.block_dim * SQUARED_NORM_FLOOR, None))
        dx = rows * along[:, None]
        dx += g
        dx *= f[:, None]
        return dx.reshape(x.shape)

    def _size(self) -> float:
        return self.block_dim * self.target_rms**2

    def _mean_square(self, sumsq: Array) -> Array:
        """Mean square over target_rms^2, floored."""
        return (sumsq / self._size()).clip(SQUARED_NORM_FLOOR, None)

    def info(self) -> list[str]:
        parts = [f"target-rms={self.target_rms:g}", f"add-log-stddev={str(self.add_log_stddev).lower()}"]
        return parts + ([f"block-dim={self.block_dim}"] if self.block_dim != self.dim else [])


@dataclass(kw_only=True, eq=False)
class BatchNorm(Component):
    """y = (x - mean) * target_rms / sqrt(variance + epsilon), per dimension; blocks share these.

    Mean and variance are the minibatch's (backward goes through them), in test mode those of the sums.
    The sums run over frames and blocks, in float64.
    """

    TYPE = "BatchNormComponent"
    NEEDS = "x"
    OVERWRITES = True

    dim: int = config()
    block_dim: int = config()
    epsilon: float = config(1e-3)
    target_rms: float = config(1.0)
    test_mode: bool = config(False)
    count: float = stat(0.0)
    stats_sum: Array = stat()
    stats_sumsq: Array = stat()

    @property
    def input_dim(self) -> int:
        return self.dim

    @property
    def output_dim(self) -> int:
        return self.dim

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        dim = line.int("dim")
        block_dim = line.int("block-dim", -1)
        c = cls(
            dim=dim,
            block_dim=dim if block_dim == -1 else block_dim,
            epsilon=line.float("epsilon", 1e-3),
            target_rms=line.float("target-rms", 1.0),
            test_mode=line.bool("test-mode", False),
        )
        check_dims(line, dim, c.block_dim, epsilon=c.epsilon, target_rms=c.target_rms)
        c.stats_sum, c.stats_sumsq = np.zeros(c.block_dim), np.zeros(c.block_dim)
        return c

    def forward(self, x: Array, io: Io) -> tuple[Array, normalise.Moments | None]:
        rows = x.reshape(-1, self.block_dim)
        if self.test_mode:
            scale, offset = self.scale_and_offset()
            y = rows * scale.astype(x.dtype)
            y += offset.astype(x.dtype)
            return y.reshape(x.shape), None
        y, moments = normalise.forward(rows, self.epsilon, self.target_rms)
        return y.reshape(x.shape), moments

    @property
    def takes_clipped(self) -> bool:
        return not self.test_mode and self.block_dim == self.dim

    def forward_clipped(self, x: Array, b: Array, io: Io) -> tuple[Array, normalise.Moments]:
        y, moments = normalise.bias_relu_forward(flat(x), b, self.epsilon, self.target_rms)
        return y.reshape(x.shape), moments

    def backward(
        self,
        dy: Array,
        x: Array,
        y: Array,
        memo: Any,
        io: Io,
        delta: Self | None = None,
        out: Array | None = None,
    ) -> Array:
        g, dx = dy.reshape(-1, self.block_dim), None if out is None else out.reshape(-1, self.block_dim)
        if self.test_mode:
            return (g * self.scale_and_offset()[0].astype(dy.dtype)).reshape(dy.shape)
        rows = x.reshape(-1, self.block_dim)
        return normalise.backward(g, rows, memo, self.target_rms, dx).reshape(dy.shape)

    def store_stats(self, x: Array, y: Array, memo: Any, io: Io) -> None:
        if self.test_mode:
            return
        n = x.size // self.block_dim
        self.count += n
        self.stats_sum += memo.mean * float(n)
        self.stats_sumsq += memo.mean_square * float(n)

    def scale_and_offset(self) -> tuple[Array, Array]:
        """Test mode as y = scale * x + offset, each (block_dim,) in float64.

        Without statistics the mean is taken as 0 and the variance as 1 (Kaldi draws them at random).
        """
        mean, variance = self._mean_and_variance()
        scale = self._scale(variance)
        return scale, -mean * scale

    def _scale(self, variance: Array) -> Array:
        return ((variance.clip(0, None) + self.epsilon) / self.target_rms**2) ** -0.5

    def _mean_and_variance(self) -> tuple[Array, Array]:
        none = self.count <= 0  # then the sums are zero too
        n = self.count + none
        mean = self.stats_sum / n
        return mean, (self.stats_sumsq / n - mean * mean).clip(0, None) + none

    def info_dims(self) -> list[str]:
        return [f"dim={self.dim}"]

    def info(self) -> list[str]:
        parts = [
            f"block-dim={self.block_dim}",
            f"epsilon={self.epsilon:g}",
            f"target-rms={self.target_rms:g}",
            f"count={self.count:g}",
            f"test-mode={str(self.test_mode).lower()}",
        ]
        if self.count > 0:
            mean, variance = self._mean_and_variance()
            parts += [f"data-mean={summarize(mean)}", f"data-stddev={summarize(variance**0.5)}"]
        return parts

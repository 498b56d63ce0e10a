"""Convolution over time and height: a row is a column of an image, with filters (channels) at each height."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from nnet.backend import Array, array_module
from nnet.component import Io, Updatable, common_options, config, param
from nnet.config_line import ConfigLine
from nnet.frames import overlapping_rows
from nnet.heights import Offsets, Run, check_offsets, padded, product, runs, times, windows
from nnet.kernels.sums import column_sums
from nnet.outer import NaturalGradient, add_gradient, default_rank
from nnet.summary import rms_info, vector_info
from nnet.weights import positive, random_vector


@dataclass(kw_only=True, eq=False)
class TimeHeightConvolution(Updatable):
    """y[t, j] = sum_k W_k x[t + time_k, j * height_subsample_out + height_k] + b, for heights j.

    Row x[t] holds height_in heights of num_filters_in numbers, y[t] likewise; W is (filters out, offsets *
    filters in), the W_k side by side. Heights outside 0 ... height_in - 1 count as zero, and so do frames
    that are missing at time offsets which are not required. The natural gradient acts on the finished
    gradient [dW | db], rows first. `max_memory_mb` stands in files only: windows are views here.
    """

    TYPE: ClassVar[str] = "TimeHeightConvolutionComponent"

    num_filters_in: int = config()
    num_filters_out: int = config()
    height_in: int = config()
    height_out: int = config()
    height_subsample_out: int = config(1)
    offsets: Offsets = config()
    required_time_offsets: tuple[int, ...] = config()
    W: Array = param("filters_out offsets*filters_in")
    b: Array = param("filters_out")
    max_memory_mb: float = config(200.0)
    use_natural_gradient: bool = config(True)
    num_minibatches_history: float = config(4.0)
    alpha_in: float = config(4.0)
    alpha_out: float = config(4.0)
    rank_in: int = config(80)
    rank_out: int = config(80)

    def __post_init__(self) -> None:
        check_offsets(
            self.offsets,
            self.required_time_offsets,
            self.height_in,
            self.height_out,
            self.height_subsample_out,
        )
        shape = (self.num_filters_out, len(self.offsets) * self.num_filters_in)
        if self.W.shape != shape:
            raise ValueError(f"W has shape {self.W.shape}; filters and offsets ask for {shape}")

    @property
    def input_dim(self) -> int:
        return self.height_in * self.num_filters_in

    @property
    def output_dim(self) -> int:
        return self.height_out * self.num_filters_out

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        options = common_options(line)
        filters_in, filters_out = positive(line, "num-filters-in"), positive(line, "num-filters-out")
        offsets = read_offsets(line)
        W = initial_weights(line, rng, filters_in, filters_out, offsets)
        rank_in, rank_out = line.int("rank-in", -1), line.int("rank-out", -1)
        try:
            return cls(
                num_filters_in=filters_in,
                num_filters_out=filters_out,
                height_in=positive(line, "height-in"),
                height_out=positive(line, "height-out"),
                height_subsample_out=line.int("height-subsample-out", 1),
                offsets=offsets,
                required_time_offsets=line.ints("required-time-offsets", times(offsets)),
                W=W,
                b=random_vector(filters_out, rng, 0.0, line.float("bias-stddev", 0.0)),
                max_memory_mb=line.float("max-memory-mb", 200.0),
                use_natural_gradient=line.bool("use-natural-gradient", True),
                num_minibatches_history=line.float("num-minibatches-history", 4.0),
                alpha_in=line.float("alpha-in", 4.0),
                alpha_out=line.float("alpha-out", 4.0),
                rank_in=rank_in if rank_in >= 0 else default_rank(W.shape[1] + 1, 80),
                rank_out=rank_out if rank_out >= 0 else default_rank(filters_out, 80),
                **options,
            )
        except ValueError as error:
            raise ValueError(f"{line.where}: {error}") from None

    def reads(self, t: int) -> list[int]:
        return [t + offset for offset in self._times]

    def uses(self, t: int, available: Any) -> list[int] | None:
        if not all(available(t + offset) for offset in self.required_time_offsets):
            return None
        return [f for f in self.reads(t) if available(f)]

    def forward(self, x: Array, io: Io) -> tuple[Array, Any]:
        xp, step = array_module(x), self.height_subsample_out
        grid, below = self._padded(x)
        y = xp.empty((len(io.t_out), x.shape[1], self.height_out, self.num_filters_out), x.dtype)
        y[...] = self.b
        for run in self._runs:
            to, at = overlapping_rows(io.t_in, io.t_out, run.time)
            seen = windows(grid[at], below + run.height, run.count, step, self.height_out)
            y[to] += product(seen, self.W[:, run.columns].T, x.shape[1])
        return y.reshape(*y.shape[:2], self.output_dim), None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        xp, step, most = array_module(x), self.height_subsample_out, max(run.count for run in self._runs)
        dx = xp.zeros((*x.shape[:2], self.height_in, self.num_filters_in), x.dtype)
        pad = (most - 1) // step
        grid = padded(dy.reshape(*dy.shape[:2], self.height_out, self.num_filters_out), pad, pad)
        for run in self._runs:
            to, at = overlapping_rows(io.t_in, io.t_out, run.time)
            for first in range(
                min(step, run.count)
            ):  # x[first + step p + height] meets W_first, W_(first+step)...
                V = self._taps(run, first)  # (taps, filters out, filters in)
                taps, bottom = len(V), run.height + first
                low = max(0, -(bottom // step))
                high = min(self.height_out + taps - 2, (self.height_in - 1 - bottom) // step)
                if low <= high:
                    seen = windows(grid[to], pad + low - taps + 1, taps, 1, high - low + 1)
                    heights = slice(bottom + step * low, bottom + step * high + 1, step)
                    dx[at, :, heights] += product(seen, V.reshape(-1, V.shape[2]), x.shape[1])
        return dx.reshape(x.shape)

    def update(self, delta: Self, dy: Array, x: Array, y: Array, memo: Any, io: Io) -> None:
        natural = None
        if self.use_natural_gradient:
            history = self.num_minibatches_history
            natural = (
                NaturalGradient(self.rank_in, self.alpha_in, 1, num_minibatches_history=history),
                NaturalGradient(self.rank_out, self.alpha_out, 1, num_minibatches_history=history),
            )
        add_gradient(delta, self.gradient(dy, x, io), delta.W, delta.b, natural=natural)

    def gradient(self, dy: Array, x: Array, io: Io) -> Array:
        """[dW | db], (filters out, offsets * filters in + 1)."""
        xp = array_module(x)
        grid, below = self._padded(x)
        dy = dy.reshape(*dy.shape[:2], self.height_out, self.num_filters_out)
        G = xp.empty((self.num_filters_out, self.W.shape[1] + 1), x.dtype)
        for run in self._runs:
            to, at = overlapping_rows(io.t_in, io.t_out, run.time)
            seen = windows(
                grid[at], below + run.height, run.count, self.height_subsample_out, self.height_out
            )
            d = dy[to].reshape(-1, *dy.shape[2:]).transpose(1, 2, 0)  # (height_out, filters out, T N)
            G[:, run.columns] = xp.matmul(d, seen).sum(axis=0)
        G[:, -1] = column_sums(dy.reshape(-1, self.num_filters_out))
        return G

    def _taps(self, run: Run, first: int) -> Array:
        """W of each height_subsample_out-th offset of a run from `first`, highest first: (taps, out, in)."""
        W = self.W[:, run.columns].reshape(self.num_filters_out, run.count, self.num_filters_in)
        return array_module(W).ascontiguousarray(
            W[:, first :: self.height_subsample_out][:, ::-1].transpose(1, 0, 2)
        )

    def _padded(self, x: Array) -> tuple[Array, int]:
        """x as (T, N, heights, filters) with zeros where offsets reach out, and how many heights below."""
        lowest, highest = min(h for _, h in self.offsets), max(h for _, h in self.offsets)
        below = max(0, -lowest)
        above = max(0, self.height_subsample_out * (self.height_out - 1) + highest - self.height_in + 1)
        return padded(x.reshape(*x.shape[:2], self.height_in, self.num_filters_in), below, above), below

    @cached_property
    def _times(self) -> tuple[int, ...]:
        return times(self.offsets)

    @cached_property
    def _runs(self) -> tuple[Run, ...]:
        return tuple(runs(self.offsets, self.num_filters_in))

    def info(self) -> list[str]:
        *shared, last = super().info()
        offsets = " ".join(f"{t},{h}" for t, h in self.offsets)
        required = ",".join(map(str, self.required_time_offsets))
        parts = [
            *shared,
            f"{last} num-filters-in={self.num_filters_in}",  # no comma here, as in Kaldi
            f"num-filters-out={self.num_filters_out}",
            f"height-in={self.height_in}",
            f"height-out={self.height_out}",
            f"height-subsample-out={self.height_subsample_out}",
            f"{{time,height}}-offsets=[{offsets}]",
            f"required-time-offsets=[{required}]",
            *self.info_dims(),
            rms_info("filter-params", self.W),
            vector_info("bias-params", self.b),
            f"num-params={self.W.size + self.b.size}",
            f"max-memory-mb={self.max_memory_mb:g}",
            f"use-natural-gradient={int(self.use_natural_gradient)}",
        ]
        return parts + (self._natural_info() if self.use_natural_gradient else [])

    def _natural_info(self) -> list[str]:
        return [
            f"num-minibatches-history={self.num_minibatches_history:g}",
            f"rank-in={self.rank_in}",
            f"rank-out={self.rank_out}",
            f"alpha={self.alpha_in:g}",
        ]


def read_offsets(line: ConfigLine) -> Offsets:
    """The offsets `t,h;t,h...`, or all pairs of time-offsets and height-offsets."""
    if line.has("offsets"):
        text = line.str("offsets")
        try:
            pairs = [tuple(int(v) for v in pair.split(",")) for pair in text.split(";")]
        except ValueError:
            pairs = [()]
        if any(len(pair) != 2 for pair in pairs):
            raise ValueError(f"{line.where}: offsets={text} is not of the form time,height;time,height")
        return tuple(sorted((pair[0], pair[1]) for pair in pairs))
    heights = line.ints("height-offsets")
    return tuple((t, h) for t in line.ints("time-offsets") for h in heights)


def initial_weights(
    line: ConfigLine, rng: np.random.Generator, filters_in: int, filters_out: int, offsets: Offsets
) -> np.ndarray:
    """Normal weights of stddev param-stddev, 1 / sqrt(columns) if negative; with init-unit, y = x."""
    columns = filters_in * len(offsets)
    stddev = line.float("param-stddev", -1.0)
    if not line.bool("init-unit", False):
        stddev = 1 / math.sqrt(columns) if stddev < 0 else stddev
        return np.float32(stddev) * rng.standard_normal((filters_out, columns), dtype=np.float32)
    if filters_in != filters_out or (0, 0) not in offsets:
        raise ValueError(
            f"{line.where}: init-unit needs num-filters-in={filters_in} and num-filters-out={filters_out} "
            "to be equal, and an offset of time 0 and height 0"
        )
    start = offsets.index((0, 0)) * filters_in
    return np.eye(filters_out, columns, start, dtype=np.float32)

"""Statistics over time: sums over periods of frames, then means and standard deviations over windows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np

from nnet.backend import Array, array_module, like
from nnet.component import Component, Io, config
from nnet.config_line import ConfigLine
from nnet.weights import positive


def among(frames: Iterable[int], available: Any) -> list[int] | None:
    """Those of `frames` that are available, or None if there are none."""
    return [f for f in frames if available(f)] or None


@dataclass(kw_only=True, eq=False)
class StatisticsExtraction(Component):
    """y = (count, sum x[, sum x^2]) over the frames of a period: every input_period-th from the last multiple
    of output_period on. Frames that are not there are left out; one must be.
    """

    TYPE = "StatisticsExtractionComponent"

    dim_in: int = config()
    input_period: int = config(1)
    output_period: int = config(1)
    include_variance: bool = config(True)

    @property
    def input_dim(self) -> int:
        return self.dim_in

    @property
    def output_dim(self) -> int:
        return 1 + self.dim_in * (2 if self.include_variance else 1)

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        c = cls(
            dim_in=positive(line, "input-dim"),
            input_period=line.int("input-period", 1),
            output_period=line.int("output-period", 1),
            include_variance=line.bool("include-variance", True),
        )
        if c.input_period <= 0 or c.output_period <= 0 or c.output_period % c.input_period:
            raise ValueError(
                f"{line.where}: output-period={c.output_period} is not a positive multiple "
                f"of input-period={c.input_period}"
            )
        return c

    def reads(self, t: int) -> list[int]:
        start = t // self.output_period * self.output_period
        return list(range(start, start + self.output_period, self.input_period))

    def uses(self, t: int, available: Any) -> list[int] | None:
        return among(self.reads(t), available)

    def forward(self, x: Array, io: Io) -> tuple[Array, None]:
        xp, D = array_module(x), self.dim_in
        y = xp.empty((len(io.t_out), x.shape[1], self.output_dim), x.dtype)
        for out, rows in self._periods(io):
            part = x[rows].reshape(out.stop - out.start, -1, *x.shape[1:])  # (periods, frames in each, N, D)
            y[out, :, 0] = part.shape[1]
            y[out, :, 1 : 1 + D] = part.sum(axis=1)
            if self.include_variance:
                y[out, :, 1 + D :] = xp.einsum("tknd,tknd->tnd", part, part)
        return y, None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        D = self.dim_in
        dx = array_module(x).empty(x.shape, x.dtype)
        for out, rows in self._periods(io):
            periods = out.stop - out.start
            shape = (periods, -1, *x.shape[1:])
            d = dx[rows].reshape(shape)
            if self.include_variance:
                array_module(x).multiply(x[rows].reshape(shape), 2 * dy[out, None, :, 1 + D :], out=d)
                d += dy[out, None, :, 1 : 1 + D]
            else:
                d[...] = dy[out, None, :, 1:]
        return dx

    def _periods(self, io: Io) -> list[tuple[slice, slice]]:
        """Rows of y, and the rows of x that they sum, in runs of periods with equally many frames."""
        of_x, of_y = (np.asarray(frames) // self.output_period for frames in (io.t_in, io.t_out))
        if not np.diff(of_y).all():
            raise ValueError(
                f"{self.TYPE}: frames {io.t_out} are not one for each period of {self.output_period}"
            )
        counts = np.bincount(np.searchsorted(of_y, of_x), minlength=len(of_y))
        ends = np.cumsum(counts)
        breaks = [0, *(int(b) + 1 for b in np.flatnonzero(np.diff(counts))), len(counts)]
        return [(slice(a, b), slice(int(ends[a] - counts[a]), int(ends[b - 1]))) for a, b in pairwise(breaks)]


@dataclass(kw_only=True, eq=False)
class StatisticsPooling(Component):
    """(count, sum x[, sum x^2]) summed over a window -> ([log count, ...] mean[, stddev]).

    Output frame t reads frames t - left_context ... t + right_context in steps of input_period, of which one
    must be there. Variances are floored at variance_floor; backward looks neither at the floor nor at the
    count. memo: the summed counts.
    """

    TYPE = "StatisticsPoolingComponent"

    dim_in: int = config()
    input_period: int = config(1)
    left_context: int = config()
    right_context: int = config()
    num_log_count_features: int = config(0)
    output_stddevs: bool = config(False)
    variance_floor: float = config(1e-10)

    @property
    def input_dim(self) -> int:
        return self.dim_in

    @property
    def output_dim(self) -> int:
        return self.dim_in - 1 + self.num_log_count_features

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        c = cls(
            dim_in=positive(line, "input-dim"),
            input_period=line.int("input-period", 1),
            left_context=line.int("left-context"),
            right_context=line.int("right-context"),
            num_log_count_features=line.int("num-log-count-features", 0),
            output_stddevs=line.bool("output-stddevs", False),
            variance_floor=line.float("variance-floor", 1e-10),
        )
        c._check(line.where)
        return c

    def _check(self, where: str) -> None:
        left, right, period = self.left_context, self.right_context, self.input_period
        if left < 0 or right < 0 or left + right <= 0 or period <= 0 or left % period or right % period:
            raise ValueError(
                f"{where}: left-context={left} and right-context={right} must be multiples "
                f"of input-period={period}, not negative and not both 0"
            )
        if self.output_stddevs and self.dim_in % 2 == 0:
            raise ValueError(f"{where}: output-stddevs needs an odd input-dim, not {self.dim_in}")
        if self.num_log_count_features < 0 or not 0 < self.variance_floor < 1:
            raise ValueError(
                f"{where}: num-log-count-features={self.num_log_count_features} is negative "
                f"or variance-floor={self.variance_floor} not in (0, 1)"
            )

    def reads(self, t: int) -> list[int]:
        return list(range(t - self.left_context, t + self.right_context + 1, self.input_period))

    def uses(self, t: int, available: Any) -> list[int] | None:
        return None if t % self.input_period else among(self.reads(t), available)

    def forward(self, x: Array, io: Io) -> tuple[Array, Array]:
        xp, first = array_module(x), self.num_log_count_features
        sums = self._window(io, x) @ x.reshape(len(x), -1)
        sums = sums.reshape(len(io.t_out), *x.shape[1:])  # (T', N, dim_in)
        counts = sums[..., :1].copy()
        y = xp.empty((*sums.shape[:2], self.output_dim), x.dtype)
        y[..., :first] = xp.log(counts)
        xp.divide(sums[..., 1:], counts, out=y[..., first:])
        if self.output_stddevs:
            mean, variance = self._moments(y)
            variance -= mean * mean
            xp.sqrt(variance.clip(self.variance_floor, None), out=variance)
        return y, counts

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        first = self.num_log_count_features
        d = array_module(x).zeros((*dy.shape[:2], self.dim_in), dy.dtype)
        d[..., 1:] = dy[..., first:]
        if self.output_stddevs:
            (mean, stddev), D = self._moments(y), self.dim_in // 2
            d[..., 1 + D :] /= 2 * stddev
            d[..., 1 : 1 + D] -= 2 * mean * d[..., 1 + D :]
        d /= memo
        return (self._window(io, x).T @ d.reshape(len(d), -1)).reshape(x.shape)

    def _moments(self, y: Array) -> tuple[Array, Array]:
        """The columns of y for the means, and those for the standard deviations."""
        first, D = self.num_log_count_features, self.dim_in // 2
        return y[..., first : first + D], y[..., first + D :]

    def _window(self, io: Io, x: Array) -> Array:
        """P (T', T): 1 where the output frame reads the input frame, else 0."""
        ahead = np.asarray(io.t_in) - np.asarray(io.t_out)[:, None]
        read = (
            (ahead >= -self.left_context) & (ahead <= self.right_context) & (ahead % self.input_period == 0)
        )
        return like(read.astype(np.float32), x)

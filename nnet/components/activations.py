"""Pointwise nonlinearities and softmax, with the statistics and the self-repair that Kaldi keeps for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from nnet.backend import Array, array_module
from nnet.component import Component, Io, config, flat, stat
from nnet.config_line import ConfigLine
from nnet.kernels import relu, softmax
from nnet.kernels.sums import column_activity, column_products, column_totals, row_products
from nnet.summary import summarize

UNSET = -1000.0  # Kaldi's marker for a self-repair threshold that was not given
STATS_SHARE, DERIVATIVE_STATS_SHARE = 1 / 2, 3 / 4  # statistics are stored on this part of the minibatches
REPAIR_PROBABILITY = 1 - STATS_SHARE  # self-repair acts on the others, with its scale divided by this


@dataclass(kw_only=True, eq=False)
class Activation(Component):
    """What the nonlinearities share (Kaldi's NonlinearComponent).

    Sums run over frames, in float64: of the outputs, of the function's derivatives, and of the squared
    derivatives of the objective at the output, each of length dim, or None before the first is stored.
    """

    NEEDS = "y"

    dim: int = config()
    block_dim: int = config()
    value_sum: Array = stat()
    deriv_sum: Array = stat()
    count: float = stat(0.0)
    oderiv_sumsq: Array = stat()
    oderiv_count: float = stat(0.0)
    num_dims_self_repaired: float = stat(0.0)
    num_dims_processed: float = stat(0.0)
    self_repair_lower_threshold: float = config(UNSET)
    self_repair_upper_threshold: float = config(UNSET)
    self_repair_scale: float = config(0.0)

    @property
    def input_dim(self) -> int:
        return self.dim

    @property
    def output_dim(self) -> int:
        return self.dim

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        dim = line.int("dim")
        c = cls(
            dim=dim,
            block_dim=line.int("block-dim", dim),
            self_repair_lower_threshold=line.float("self-repair-lower-threshold", UNSET),
            self_repair_upper_threshold=line.float("self-repair-upper-threshold", UNSET),
            self_repair_scale=line.float("self-repair-scale", 0.0),
        )
        if dim <= 0 or c.block_dim <= 0 or dim % c.block_dim:
            raise ValueError(f"{line.where}: dim={dim} is not a positive multiple of block-dim={c.block_dim}")
        if not 0 <= c.self_repair_scale < 0.1:
            raise ValueError(f"{line.where}: self-repair-scale={c.self_repair_scale} is not in [0, 0.1)")
        return c

    def store_backward_stats(self, dy: Array, io: Io) -> None:
        if io.happens(DERIVATIVE_STATS_SHARE):
            g = flat(dy)
            self._store_squares(column_products(g, g), len(g))

    def _store_squares(self, squares: Array, count: int) -> None:
        self.oderiv_sumsq = _plus(self.oderiv_sumsq, squares)
        self.oderiv_count += count

    def info_dims(self) -> list[str]:
        return [f"dim={self.dim}"] + ([f"block-dim={self.block_dim}"] if self.block_dim != self.dim else [])

    def info(self) -> list[str]:
        parts = [
            f"self-repair-{name}={value:g}"
            for name, value, unset in (
                ("lower-threshold", self.self_repair_lower_threshold, UNSET),
                ("upper-threshold", self.self_repair_upper_threshold, UNSET),
                ("scale", self.self_repair_scale, 0.0),
            )
            if value != unset
        ]
        if self.count > 0 and _known(self.value_sum):
            repaired = self.num_dims_self_repaired / (self.num_dims_processed or 1)
            parts += [f"count={self.count:.3g}", f"self-repaired-proportion={repaired:g}"]
            parts.append(f"value-avg={summarize(self.value_sum / self.count)}")
            if _known(self.deriv_sum):
                parts.append(f"deriv-avg={summarize(self.deriv_sum / self.count)}")
        if self.oderiv_count > 0 and _known(self.oderiv_sumsq):
            rms = (self.oderiv_sumsq / self.oderiv_count).clip(0, None) ** 0.5
            parts += [f"oderiv-rms={summarize(rms)}", f"oderiv-count={self.oderiv_count:g}"]
        return parts

    def _store(self, y: Array, value: Array, deriv: Array) -> None:
        """Add sums over the frames of y, of its values and of the function's derivative, each (dim,)."""
        self.value_sum = _plus(self.value_sum, value)
        if deriv is not None:
            self.deriv_sum = _plus(self.deriv_sum, deriv)
        self.count += flat(y).shape[0]

    def _repairs(self, io: Io) -> bool:
        """Whether self-repair acts on this minibatch: on those that store no statistics."""
        return self.self_repair_scale != 0 and _known(self.deriv_sum) and not io.happens(STATS_SHARE)

    def _lower_threshold(self, default: float) -> float:
        given = self.self_repair_lower_threshold
        return (default if given == UNSET else given) * self.count

    def _saturated(self, default: float, delta: Activation, dtype: Any) -> Array:
        """1 where the average derivative is below the threshold, else 0; counted in `delta`."""
        saturated = self.deriv_sum < self._lower_threshold(default)
        delta.num_dims_self_repaired += saturated.sum()
        return saturated.astype(dtype)


def _known(total: Array) -> bool:
    """Whether a sum has been stored; files hold an empty vector before."""
    return total is not None and total.size > 0


def _plus(held: Array, new: Array) -> Array:
    """held + new in float64, in place if there is something to add to."""
    if held is None or held.size == 0:
        return new.astype(np.float64)
    held += new
    return held


@dataclass(kw_only=True, eq=False)
class Sigmoid(Activation):
    """y = 1 / (1 + exp(-x)). Self-repair pulls units to 0 whose average derivative is below 0.05."""

    TYPE = "SigmoidComponent"

    def forward(self, x: Array, io: Io) -> tuple[Array, None]:
        xp = array_module(x)
        y = xp.negative(x)
        with np.errstate(over="ignore"):  # exp(-x) = inf gives the right limit, 0
            xp.exp(y, out=y)
        y += 1
        return xp.reciprocal(y, out=y), None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        dx = array_module(y).subtract(1, y)
        dx *= y
        dx *= dy
        if delta is not None:
            delta.num_dims_processed += self.dim
            if self._repairs(io):
                pull = self.self_repair_scale / REPAIR_PROBABILITY * self._saturated(0.05, delta, dx.dtype)
                dx -= y * (2 * pull)
                dx += pull
        return dx

    def store_stats(self, x: Array, y: Array, memo: Any, io: Io) -> None:
        if io.happens(STATS_SHARE):
            v = flat(y)
            total, square = column_totals(v, v)
            self._store(y, total, (total - square).clip(0, None))


@dataclass(kw_only=True, eq=False)
class Tanh(Activation):
    """y = tanh x. Self-repair pulls units to 0 whose average derivative is below 0.2."""

    TYPE = "TanhComponent"

    def forward(self, x: Array, io: Io) -> tuple[Array, None]:
        return array_module(x).tanh(x), None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        xp = array_module(y)
        dx = y * y
        xp.subtract(1, dx, out=dx)
        dx *= dy
        if delta is not None:
            delta.num_dims_processed += self.dim
            if self._repairs(io):
                pull = self.self_repair_scale / REPAIR_PROBABILITY * self._saturated(0.2, delta, dx.dtype)
                dx -= y * pull
        return dx

    def store_stats(self, x: Array, y: Array, memo: Any, io: Io) -> None:
        if io.happens(STATS_SHARE):
            v = flat(y)
            total, square = column_totals(v, v)
            self._store(y, total, (len(v) - square).clip(0, None))


@dataclass(kw_only=True, eq=False)
class RectifiedLinear(Activation):
    """y = max(x, 0). Self-repair pushes units up that are active on less than 5 % of frames, down above 95 %.

    With block_dim < dim the active fraction is averaged over the blocks.
    """

    TYPE = "RectifiedLinearComponent"
    CLIPS = True
    OVERWRITES = True

    def forward(self, x: Array, io: Io) -> tuple[Array, None]:
        return array_module(x).maximum(x, 0), None

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
        dx = relu.backward(dy, y, out)
        if delta is not None and self._repairs(io):
            self._repair(dx, delta)
        return dx

    def _repair(self, dx: Array, delta: Self) -> None:
        delta.num_dims_processed += self.block_dim
        active = self.deriv_sum.reshape(-1, self.block_dim).mean(axis=0)
        given = self.self_repair_upper_threshold
        upper = (0.95 if given == UNSET else given) * self.count
        counted = self.count > 0
        too_rare, too_often = (active <= self._lower_threshold(0.05)) & counted, (active > upper) & counted
        delta.num_dims_self_repaired += (too_rare ^ too_often).sum()
        push = (
            self.self_repair_scale
            / REPAIR_PROBABILITY
            * (too_rare.astype(dx.dtype) - too_often.astype(dx.dtype))
        )
        rows = dx.reshape(-1, self.block_dim)
        if array_module(dx) is np:  # seldom many columns: a pass over all of dx for nothing
            pushed = np.flatnonzero(push)
            rows[:, pushed] += push[pushed]
        else:
            rows[...] += push

    def store_stats(self, x: Array, y: Array, memo: Any, io: Io) -> None:
        if io.happens(STATS_SHARE):
            self._store(y, *column_activity(flat(y)))


@dataclass(kw_only=True, eq=False)
class Softmax(Activation):
    """y = exp x / sum exp x per row, never below 1e-20. Statistics are of values only, on every minibatch."""

    TYPE = "SoftmaxComponent"

    def forward(self, x: Array, io: Io) -> tuple[Array, None]:
        xp = array_module(x)
        y = x - x.max(axis=-1, keepdims=True)
        xp.exp(y, out=y)
        y *= 1 / y.sum(axis=-1, keepdims=True)
        return xp.maximum(y, 1e-20, out=y), None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        dx = dy - row_products(flat(y), flat(dy)).reshape(*y.shape[:2], 1)
        dx *= y
        return dx

    def store_stats(self, x: Array, y: Array, memo: Any, io: Io) -> None:
        self._store(y, flat(y).sum(axis=0), None)


@dataclass(kw_only=True, eq=False)
class LogSoftmax(Activation):
    """y = x - log sum exp x per row. Only the statistics of the output derivative are kept."""

    TYPE = "LogSoftmaxComponent"
    OVERWRITES = True

    def forward(self, x: Array, io: Io) -> tuple[Array, None]:
        return softmax.log_softmax(x), None

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
        return softmax.log_softmax_backward(dy, y, out)

    def store_label_stats(self, column: Array, weight: Array, count: int, io: Io) -> None:
        """`store_backward_stats` of `count` rows that are zero but for labels: weight[k] in column[k]."""
        if io.happens(DERIVATIVE_STATS_SHARE):
            self._store_squares(softmax.label_squares(column, weight, self.dim), count)

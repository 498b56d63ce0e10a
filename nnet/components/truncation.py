"""Identities that keep the derivatives of recurrent networks in bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from nnet.backend import Array, array_module
from nnet.component import Component, Io, config, flat, stat
from nnet.config_line import ConfigLine
from nnet.kernels.rows import constant
from nnet.kernels.sums import row_products
from nnet.weights import in_range, positive

REPAIR_PROBABILITY = 1 / 2  # self-repair acts on this part of the minibatches, with its scale divided by it


@dataclass(kw_only=True, eq=False)
class BackpropTruncation(Component):
    """y = scale x; of the derivative, scaled too, rows are clipped to a norm of clipping_threshold.

    Rows beyond zeroing_threshold become zero if recurrence_interval frames back lies in another stretch of
    zeroing_interval frames; stretches start at multiples of it, shifted by the number of the sequence.
    A threshold of 0 is off.
    """

    TYPE = "BackpropTruncationComponent"
    NEEDS = ""

    dim: int = config()
    scale: float = config(1.0)
    clipping_threshold: float = config(30.0)
    zeroing_threshold: float = config(15.0)
    zeroing_interval: int = config(20)
    recurrence_interval: int = config(1)
    num_clipped: float = stat(0.0)
    num_zeroed: float = stat(0.0)
    count: float = stat(0.0)
    num_zeroing_boundaries: float = stat(0.0)

    @property
    def input_dim(self) -> int:
        return self.dim

    @property
    def output_dim(self) -> int:
        return self.dim

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        c = cls(
            dim=positive(line, "dim"),
            scale=line.float("scale", 1.0),
            clipping_threshold=in_range(line, "clipping-threshold", 30.0),
            zeroing_threshold=in_range(line, "zeroing-threshold", 15.0),
            zeroing_interval=line.int("zeroing-interval", 20),
            recurrence_interval=line.int("recurrence-interval", 1),
        )
        for name in ("scale", "zeroing_interval", "recurrence_interval"):
            if not getattr(c, name) > 0:
                raise ValueError(f"{line.where}: {name.replace('_', '-')}={getattr(c, name)} is not positive")
        return c

    def forward(self, x: Array, io: Io) -> tuple[Array, None]:
        return x if self.scale == 1 else x * self.scale, None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        squared = _squared_norms(dy) * self.scale**2
        relative = squared / (self.clipping_threshold or 1e10) ** 2
        boundary = self._boundaries(io)
        zeroed = (squared > (self.zeroing_threshold or 1e10) ** 2) & constant(boundary, dy)
        if delta is not None:
            delta.num_clipped += (relative >= 1).sum()
            delta.num_zeroed += zeroed.sum()
            delta.count += boundary.size
            delta.num_zeroing_boundaries += int(boundary.sum())
        factor = relative.clip(1, None) ** -0.5 * (self.scale * ~zeroed)
        return dy * factor.astype(dy.dtype)[..., None]

    def _boundaries(self, io: Io) -> np.ndarray:
        """Whether frames t and t - recurrence_interval of a sequence lie in different stretches, (T, N)."""
        t = np.asarray(io.t_out)[:, None] - np.arange(io.n)
        return t // self.zeroing_interval != (t - self.recurrence_interval) // self.zeroing_interval

    def info_dims(self) -> list[str]:
        return [f"dim={self.dim}"]

    def info(self) -> list[str]:
        return [
            f"scale={self.scale:g}",
            f"count={self.count:.3g}",
            f"recurrence-interval={self.recurrence_interval}",
            f"clipping-threshold={self.clipping_threshold:g}",
            f"clipped-proportion={self.num_clipped / self.count if self.count > 0 else 0:g}",
            f"zeroing-threshold={self.zeroing_threshold:g}",
            f"zeroing-interval={self.zeroing_interval}",
            f"zeroed-proportion={self.num_zeroed / (self.num_zeroing_boundaries or 1):g}",
            f"count-zeroing-boundaries={int(self.num_zeroing_boundaries)}",
        ]


@dataclass(kw_only=True, eq=False)
class ClipGradient(Component):
    """y = x; elements of the derivative, or with norm_based_clipping the norms of its rows, are clipped.

    A threshold of 0 stops the derivative. Where more rows than self_repair_clipped_proportion_threshold were
    clipped so far, self-repair pulls x towards self_repair_target on a random half of the minibatches; the
    derivative keeps its mean norm.
    """

    TYPE = "ClipGradientComponent"

    dim: int = config()
    clipping_threshold: float = config(15.0)
    norm_based_clipping: bool = config(False)
    self_repair_clipped_proportion_threshold: float = config(0.01)
    self_repair_target: float = config(0.0)
    self_repair_scale: float = config(1.0)
    num_clipped: float = stat(0)
    count: float = stat(0)
    num_self_repaired: int = config(0)
    num_backpropped: int = config(0)

    @property
    def input_dim(self) -> int:
        return self.dim

    @property
    def output_dim(self) -> int:
        return self.dim

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        return cls(
            dim=positive(line, "dim"),
            clipping_threshold=in_range(line, "clipping-threshold", 15.0),
            norm_based_clipping=line.bool("norm-based-clipping", False),
            self_repair_clipped_proportion_threshold=in_range(
                line, "self-repair-clipped-proportion-threshold", 0.01
            ),
            self_repair_target=in_range(line, "self-repair-target", 0.0),
            self_repair_scale=in_range(line, "self-repair-scale", 1.0),
        )

    def forward(self, x: Array, io: Io) -> tuple[Array, None]:
        return x, None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        if self.clipping_threshold == 0:
            return dy * 0
        dx = self._clipped_rows(dy, delta) if self.norm_based_clipping else self._clipped_elements(dy)
        if delta is not None:
            delta.num_backpropped += 1
            if self._repairs(io):
                delta.num_self_repaired += 1
                self._repair(dx, x)
        return dx

    def _clipped_elements(self, dy: Array) -> Array:
        return dy.clip(-self.clipping_threshold, self.clipping_threshold)

    def _clipped_rows(self, dy: Array, delta: Self | None) -> Array:
        relative = _squared_norms(dy) / self.clipping_threshold**2
        if delta is not None:
            delta.num_clipped += (relative >= 1).sum()
            delta.count += relative.size
        return dy * (relative.clip(1, None) ** -0.5)[..., None]

    def _clipped_proportion(self) -> float:
        return float(self.num_clipped / self.count) if self.count > 0 else 0.0

    def _repairs(self, io: Io) -> bool:
        least = self.self_repair_clipped_proportion_threshold
        if least >= 1 or self.self_repair_scale == 0 or self.count == 0 or not io.happens(REPAIR_PROBABILITY):
            return False
        return self._clipped_proportion() > least

    def _repair(self, dx: Array, x: Array) -> None:
        """Turn dx, in place, against what x exceeds the target by (Kaldi: RepairGradients)."""
        xp = array_module(x)
        excess = xp.sign(x) * (abs(x) - self.self_repair_target).clip(0, None)
        before, length = _sum_of_norms(dx), _sum_of_norms(excess)
        size = self.self_repair_scale * self._clipped_proportion() / REPAIR_PROBABILITY * before
        dx -= excess * (size / (length + (length == 0))).astype(dx.dtype)
        after = _sum_of_norms(dx)
        dx *= xp.where(after == 0, 1, before / (after + (after == 0))).astype(dx.dtype)

    def info_dims(self) -> list[str]:
        return [f"dim={self.dim}"]

    def info(self) -> list[str]:
        parts = [
            f"norm-based-clipping={str(self.norm_based_clipping).lower()}",
            f"clipping-threshold={self.clipping_threshold:g}",
            f"clipped-proportion={self._clipped_proportion():g}",
        ]
        if self.self_repair_scale:
            least = self.self_repair_clipped_proportion_threshold
            parts.append(f"self-repair-clipped-proportion-threshold={least:g}")
            parts.append(f"self-repair-target={self.self_repair_target:g}")
            parts.append(f"self-repair-scale={self.self_repair_scale:g}")
        return parts


def _squared_norms(x: Array) -> Array:
    """Of the rows, (T, N)."""
    return row_products(flat(x), flat(x)).reshape(x.shape[:2])


def _sum_of_norms(x: Array) -> Array:
    return (_squared_norms(x) ** 0.5).sum(dtype=np.float64)

"""The fused GRU cells: with a full recurrent matrix, and with the diagonal one of output-gate GRUs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from nnet.backend import Array, array_module
from nnet.columns import Columns
from nnet.component import Io, Updatable, common_options, config, flat, param, stat
from nnet.config_line import ConfigLine
from nnet.kernels import gates
from nnet.kernels.products import times
from nnet.kernels.sums import column_products
from nnet.outer import NaturalGradient, add_outer, add_row_sum
from nnet.summary import rms_info, summarize
from nnet.weights import positive, random_vector

STATS_PROBABILITY = 1 / 2  # statistics are stored, and self-repair acts, on this part of the minibatches


@dataclass(kw_only=True, eq=False)
class GruCell(Updatable):
    """What the two cells share: c = (1 - z) h + z c_prev, h = tanh(a), and the statistics of h.

    Sums over frames of h and of its derivative 1 - h^2, (C,) in float64, are stored in the delta. Self-repair
    acts on the change of the parameters only, as in Kaldi where these are updated once for all frames.
    """

    cell_dim: int = config()
    value_sum: Array = stat()
    deriv_sum: Array = stat()
    self_repair_total: float = stat(0.0)
    count: float = stat(0.0)
    self_repair_threshold: float = config(0.2)
    self_repair_scale: float = config(1e-5)
    alpha: float = config(4.0)
    update_period: int = config(4)

    @property
    def output_dim(self) -> int:
        return 2 * self.cell_dim

    def _repair(self, da: Array, h: Array, delta: Self, io: Io) -> None:
        """Statistics of h, and self-repair of da in place, on a random half of the minibatches."""
        if not io.happens(STATS_PROBABILITY):
            return
        n = h.shape[0] * h.shape[1]
        squares = column_products(flat(h), flat(h))
        delta.value_sum += h.sum(axis=(0, 1))
        delta.deriv_sum += n - squares
        delta.count += n
        saturated = delta.deriv_sum < delta.self_repair_threshold * delta.count
        delta.self_repair_total += saturated.sum()
        if self.self_repair_scale:
            da -= h * (saturated * (self.self_repair_scale / STATS_PROBABILITY)).astype(h.dtype)

    def _cell_info(self, W: Array) -> list[str]:
        parts = [rms_info("w_h", W), f"self-repair-threshold={self.self_repair_threshold:g}"]
        parts.append(f"self-repair-scale={self.self_repair_scale:g}")
        if self.count > 0:
            repaired = float(self.self_repair_total) / (self.count * self.cell_dim)
            parts += [f"count={self.count:.3g}", f"self-repaired-proportion={repaired:g}"]
            parts.append(f"value-avg={summarize(self.value_sum / self.count)}")
            parts.append(f"deriv-avg={summarize(self.deriv_sum / self.count)}")
        return [*parts, f"alpha={self.alpha:g}"]


def cell_options(line: ConfigLine) -> dict[str, Any]:
    """The options that both cells take, and their empty statistics."""
    C = positive(line, "cell-dim")
    options = {
        **common_options(line),
        "cell_dim": C,
        "self_repair_threshold": line.float("self-repair-threshold", 0.2),
        "self_repair_scale": line.float("self-repair-scale", 1e-5),
        "alpha": line.float("alpha", 4.0),
        "value_sum": np.zeros(C),
        "deriv_sum": np.zeros(C),
    }
    for name in ("self_repair_threshold", "self_repair_scale"):
        if options[name] < 0:
            raise ValueError(f"{line.where}: {name.replace('_', '-')}={options[name]} is negative")
    return options


@dataclass(kw_only=True, eq=False)
class GruNonlinearity(GruCell):
    """(z, r, h_part, c_prev[, s_prev]) -> (h, c) with h = tanh(h_part + W (r s_prev)), W (C, R).

    R is recurrent_dim. Where it equals cell_dim there is no projection: s_prev is c_prev and not an input.
    """

    TYPE = "GruNonlinearityComponent"

    recurrent_dim: int = config()
    W: Array = param("C R")
    rank_in: int = config(20)
    rank_out: int = config(80)

    @property
    def input_dim(self) -> int:
        C, R = self.cell_dim, self.recurrent_dim
        return 4 * C if R == C else 3 * C + 2 * R

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        options = cell_options(line)
        C = options["cell_dim"]
        R = line.int("recurrent-dim", -1)
        R = C if R < 0 else R
        if not 0 < R <= C:
            raise ValueError(f"{line.where}: recurrent-dim={R} is not in [1, cell-dim={C}]")
        stddev = line.float("param-stddev", 1 / math.sqrt(C))
        return cls(
            **options,
            recurrent_dim=R,
            W=np.float32(stddev) * rng.standard_normal((C, R), dtype=np.float32),
            rank_in=line.int("rank-in", 20),
            rank_out=line.int("rank-out", 80),
            update_period=line.int("update-period", 4),
        )

    def _split(self, x: Array) -> tuple[Array, Array, Array, Array, Array]:
        """z, r, h_part, c_prev, s_prev as views."""
        C, R = self.cell_dim, self.recurrent_dim
        return (
            x[..., :C],
            x[..., C : C + R],
            x[..., C + R : 2 * C + R],
            x[..., 2 * C + R : 3 * C + R],
            x[..., -R:],
        )

    def forward(self, x: Array, io: Io) -> tuple[Array, None]:
        z, r, h_part, c_prev, s_prev = self._split(x)
        a = times(r * s_prev, self.W)
        a += h_part
        return gates.gru_forward(a, z, c_prev), None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        xp = array_module(x)
        z, r, _, c_prev, s_prev = self._split(x)
        dx = xp.empty(x.shape, x.dtype)
        dz, dr, dh_part, dc_prev, ds_prev = self._split(dx)
        dh_part[...] = da = gates.gru_backward(dy, y, z, c_prev, dz, dc_prev)
        d = times(da, self.W.T)  # by r s_prev
        xp.multiply(d, s_prev, out=dr)
        d *= r
        if self.recurrent_dim == self.cell_dim:
            dc_prev += d
        else:
            ds_prev[...] = d
        return dx

    def update(self, delta: Self, dy: Array, x: Array, y: Array, memo: Any, io: Io) -> None:
        z, r, _, _, s_prev = self._split(x)
        da = gates.gru_da(dy, y, z)
        self._repair(da, y[..., : self.cell_dim], delta, io)
        natural = (
            NaturalGradient(self.rank_in, self.alpha, self.update_period),
            NaturalGradient(self.rank_out, self.alpha, self.update_period),
        )
        add_outer(delta, Columns((flat(r * s_prev),)), flat(da), delta.W, None, natural=natural)

    def info(self) -> list[str]:
        parts = [*super().info(), f"cell-dim={self.cell_dim}", f"recurrent-dim={self.recurrent_dim}"]
        ranks = [
            f"rank-in={self.rank_in}",
            f"rank-out={self.rank_out}",
            f"update-period={self.update_period}",
        ]
        return parts + self._cell_info(self.W) + ranks


@dataclass(kw_only=True, eq=False)
class OutputGruNonlinearity(GruCell):
    """(z, h_part, c_prev) -> (h, c) with h = tanh(h_part + w c_prev), w (C,)."""

    TYPE = "OutputGruNonlinearityComponent"

    w: Array = param("C")
    rank: int = config(8)
    update_period: int = config(10)

    @property
    def input_dim(self) -> int:
        return 3 * self.cell_dim

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        options = cell_options(line)
        mean, stddev = line.float("param-mean", 0.0), line.float("param-stddev", 1.0)
        return cls(
            **options,
            w=random_vector(options["cell_dim"], rng, mean, stddev),
            rank=line.int("rank", 8),
            update_period=line.int("update-period", 10),
        )

    def _split(self, x: Array) -> tuple[Array, Array, Array]:
        """z, h_part, c_prev as views."""
        C = self.cell_dim
        return x[..., :C], x[..., C : 2 * C], x[..., 2 * C :]

    def forward(self, x: Array, io: Io) -> tuple[Array, None]:
        z, h_part, c_prev = self._split(x)
        a = c_prev * self.w
        a += h_part
        return gates.gru_forward(a, z, c_prev), None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        xp = array_module(x)
        z, _, c_prev = self._split(x)
        dx = xp.empty(x.shape, x.dtype)
        dz, dh_part, dc_prev = self._split(dx)
        dh_part[...] = da = gates.gru_backward(dy, y, z, c_prev, dz, dc_prev)
        dc_prev += da * self.w
        return dx

    def update(self, delta: Self, dy: Array, x: Array, y: Array, memo: Any, io: Io) -> None:
        z, _, c_prev = self._split(x)
        da = gates.gru_da(dy, y, z)
        self._repair(da, y[..., : self.cell_dim], delta, io)
        natural = NaturalGradient(self.rank, self.alpha, self.update_period)
        add_row_sum(delta, delta.w, flat(da * c_prev), natural, "w")

    def info(self) -> list[str]:
        ng = [f"rank={self.rank}", f"update-period={self.update_period}"]
        return [*super().info(), f"cell-dim={self.cell_dim}", *self._cell_info(self.w), *ng]

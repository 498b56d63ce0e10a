"""The fused LSTM cell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from nnet.backend import Array, array_module, to_host
from nnet.component import common_options, config, param, stat
from nnet.config_line import ConfigLine
from nnet.in_place import InPlace
from nnet.kernels import gates
from nnet.kernels.blocks import sums
from nnet.outer import NaturalGradient
from nnet.summary import rms_info, summarize
from nnet.weights import in_range, positive

PEEPHOLES = NaturalGradient(rank=20, alpha=4.0, update_period=2, num_samples_history=1000.0)
NONLINEARITIES = ("i_t_sigmoid", "f_t_sigmoid", "c_t_tanh", "o_t_sigmoid", "m_t_tanh")


@dataclass(kw_only=True, eq=False)
class LstmNonlinearity(InPlace):
    """(i, f, c, o parts, c_prev[, masks of i, f, o]) -> (c, m), with peepholes W (3, C) into i, f and o.

        i = sigmoid(i_part + w_ic c_prev)        f = sigmoid(f_part + w_fc c_prev)
        c = f mask_f c_prev + i mask_i tanh(c_part)
        o = sigmoid(o_part + w_oc c)             m = o mask_o tanh(c)

    Sums of the values and derivatives of the five nonlinearities are (5, C), in float64; self_repair_config
    holds their five thresholds, then five scales. The masks get no derivative. A room is what `kernels.gates`
    says.
    """

    TYPE = "LstmNonlinearityComponent"

    W: Array = param("3 C")
    use_dropout: bool = config(False)
    self_repair_config: Array = config()
    value_sum: Array = stat()
    deriv_sum: Array = stat()
    self_repair_total: Array = stat()
    count: float = stat(0.0)

    @property
    def cell_dim(self) -> int:
        """C."""
        return int(self.W.shape[1])

    @property
    def input_dim(self) -> int:
        return 5 * self.cell_dim + (3 if self.use_dropout else 0)

    @property
    def extra_dim(self) -> int:
        return self.cell_dim

    @property
    def output_dim(self) -> int:
        return 2 * self.cell_dim

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        C = positive(line, "cell-dim")
        stddev = in_range(line, "param-stddev", 1.0)
        tanh = in_range(line, "tanh-self-repair-threshold", 0.2, 1.0)
        sigmoid = in_range(line, "sigmoid-self-repair-threshold", 0.05, 0.25)
        scale = in_range(line, "self-repair-scale", 1e-5, 0.1)
        return cls(
            **common_options(line),
            W=np.float32(stddev) * rng.standard_normal((3, C), dtype=np.float32),
            use_dropout=line.bool("use-dropout", False),
            self_repair_config=np.array([sigmoid, sigmoid, tanh, sigmoid, tanh] + 5 * [scale], np.float32),
            value_sum=np.zeros((5, C)),
            deriv_sum=np.zeros((5, C)),
            self_repair_total=np.zeros(5),
        )

    def forward_in(self, room: Array, y: Array) -> None:
        gates.lstm_forward(room, y, self.W, self.use_dropout)

    def backward_in(self, dy: Array, room: Array, delta: Self | None = None) -> None:
        repair = None if delta is None else self._repair(dy.dtype)
        gates.lstm_backward(dy, room, self.W, self.use_dropout, repair)

    def update_in(self, delta: Self, room: Array, y: Array) -> None:
        C = self.cell_dim
        dW = array_module(y).empty((3, C), y.dtype)
        dW[:2], dW[2] = sums(room[..., : 5 * C], lambda at: gates.peephole_sums(room[at], y[at][..., :C]))
        rate = delta.learning_rate
        if not delta.is_gradient:
            ng = PEEPHOLES.of(delta, "peepholes")
            dW, scale = ng.precondition(dW, update=not delta.scratch.get("frozen", False))
            rate = rate * scale
        delta.W += rate * dW

    def count_in(self, delta: Self, room: Array) -> None:
        n = room.shape[0] * room.shape[1]
        value, deriv = gates.lstm_sums(room, self.cell_dim)
        delta.value_sum += value
        delta.deriv_sum += deriv
        delta.self_repair_total += self._flat().sum(axis=1) * float(n)
        delta.count += n

    def _flat(self) -> Array:
        """Which units are saturated, (5, C): average derivative (over one frame more) below the threshold."""
        return self.deriv_sum / (1 + self.count) < self.self_repair_config[:5, None]

    @cached_property
    def _repairs(self) -> bool:
        return bool(to_host(self.self_repair_config)[5:].any())

    def _repair(self, dtype: Any) -> Array | None:
        if not self._repairs:
            return None
        return self._flat() * self.self_repair_config[5:, None].astype(dtype)

    def info(self) -> list[str]:
        parts = [*super().info(), f"cell-dim={self.cell_dim}", f"use-dropout={str(self.use_dropout).lower()}"]
        parts += [rms_info(name, row) for name, row in zip(("w_ic", "w_fc", "w_oc"), self.W)]
        if self.count > 0:
            parts.append(f"count={self.count:.3g}")
        return parts + [self._nonlinearity_info(k, name) for k, name in enumerate(NONLINEARITIES)]

    def _nonlinearity_info(self, k: int, name: str) -> str:
        threshold, scale = (float(to_host(self.self_repair_config)[j]) for j in (k, k + 5))
        parts = [f"self-repair-lower-threshold={threshold:g}", f"self-repair-scale={scale:g}"]
        if self.count != 0:
            repaired = float(self.self_repair_total[k]) / (self.count * self.cell_dim)
            parts.append(f"self-repaired-proportion={repaired:g}")
            parts.append(f"value-avg={summarize(self.value_sum[k] / self.count)}")
            parts.append(f"deriv-avg={summarize(self.deriv_sum[k] / self.count)}")
        return f"{name}={{ {', '.join(parts)} }}"

"""Restricted self-attention: each frame attends to a few frames on its left and right."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from nnet.backend import Array, array_module
from nnet.component import Component, Io, config, stat
from nnet.config_line import ConfigLine
from nnet.frames import Rows, rows
from nnet.weights import positive


@dataclass(kw_only=True, eq=False)
class RestrictedAttention(Component):
    """y = (sum_k c_k value_k[, c]) with c = softmax_k(key_scale query . key_k + bias_k), for every head.

    k runs over the frames t + time_stride * (-num_left_inputs ... num_right_inputs). The input of a head is
    (key, value, query, bias), its output (sum of values[, c]); heads lie side by side. Frames beyond those
    required may be missing; they count as zero keys and values, but take their share of c, as in Kaldi.
    memo: c (T', N, heads, context).
    """

    TYPE = "RestrictedAttentionComponent"

    num_heads: int = config(1)
    key_dim: int = config()
    value_dim: int = config()
    num_left_inputs: int = config()
    num_right_inputs: int = config()
    time_stride: int = config(1)
    num_left_inputs_required: int = config()
    num_right_inputs_required: int = config()
    output_context: bool = config(True)
    key_scale: float = config()
    stats_count: float = stat(0.0)
    entropy_stats: Array = stat()
    posterior_stats: Array = stat()

    @property
    def context_dim(self) -> int:
        """How many frames an output frame attends to."""
        return self.num_left_inputs + 1 + self.num_right_inputs

    @property
    def input_dim(self) -> int:
        return self.num_heads * (2 * self.key_dim + self.value_dim + self.context_dim)

    @property
    def output_dim(self) -> int:
        return self.num_heads * (self.value_dim + (self.context_dim if self.output_context else 0))

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        key_dim = positive(line, "key-dim")
        left, right = line.int("num-left-inputs"), line.int("num-right-inputs")
        left_required, right_required = (
            line.int("num-left-inputs-required", -1),
            line.int("num-right-inputs-required", -1),
        )
        key_scale = line.float("key-scale", -1.0)
        c = cls(
            num_heads=line.int("num-heads", 1),
            key_dim=key_dim,
            value_dim=positive(line, "value-dim"),
            num_left_inputs=left,
            num_right_inputs=right,
            time_stride=line.int("time-stride", 1),
            num_left_inputs_required=left if left_required < 0 else left_required,
            num_right_inputs_required=right if right_required < 0 else right_required,
            output_context=line.bool("output-context", True),
            key_scale=1 / math.sqrt(key_dim) if key_scale < 0 else key_scale,
            entropy_stats=np.zeros(0),
            posterior_stats=np.zeros((0, 0)),
        )
        c._check(line.where)
        return c

    def _check(self, where: str) -> None:
        left, right = self.num_left_inputs, self.num_right_inputs
        if left < 0 or right < 0 or left + right == 0:
            raise ValueError(
                f"{where}: num-left-inputs={left}, num-right-inputs={right} must not be negative, nor both 0"
            )
        if self.num_left_inputs_required > left or self.num_right_inputs_required > right:
            raise ValueError(f"{where}: more inputs are required than there are ({left} left, {right} right)")
        if self.num_heads <= 0 or self.time_stride <= 0 or not 0 < self.key_scale <= 1:
            raise ValueError(
                f"{where}: num-heads={self.num_heads} and time-stride={self.time_stride} must be positive, "
                f"key-scale={self.key_scale} in (0, 1]"
            )

    def reads(self, t: int) -> list[int]:
        return [t + offset for offset in self._offsets()]

    def uses(self, t: int, available: Any) -> list[int] | None:
        left, right = self.num_left_inputs_required, self.num_right_inputs_required
        if not all(available(t + k * self.time_stride) for k in range(-left, right + 1)):
            return None
        return [f for f in self.reads(t) if available(f)]

    def _offsets(self) -> list[int]:
        return [k * self.time_stride for k in range(-self.num_left_inputs, self.num_right_inputs + 1)]

    def forward(self, x: Array, io: Io) -> tuple[Array, Array]:
        xp = array_module(x)
        heads, (at, _) = self._heads(x), self._contexts(io)
        key, value, _, _ = self._parts(self._padded(heads, io))
        _, _, query, bias = self._parts(heads[io.at(0)])
        c = xp.empty(bias.shape, x.dtype)
        for k, here in enumerate(at):
            c[..., k] = xp.einsum("tnhd,tnhd->tnh", query, key[here])
        c *= self.key_scale
        c += bias
        _softmax(c)
        y = xp.zeros((*c.shape[:3], self.output_dim // self.num_heads), x.dtype)
        for k, here in enumerate(at):
            y[..., : self.value_dim] += c[..., k, None] * value[here]
        y[..., self.value_dim :] = c[..., : y.shape[-1] - self.value_dim]
        return y.reshape(*c.shape[:2], -1), c

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        xp, c, V = array_module(x), memo, self.value_dim
        heads, (at, kept) = self._heads(x), self._contexts(io)
        padded = self._padded(heads, io)
        key, value, _, _ = self._parts(padded)
        query = self._parts(heads[io.at(0)])[2]
        dy = dy.reshape(*dy.shape[:2], self.num_heads, -1)
        d = xp.zeros(padded.shape, x.dtype)
        dkey, dvalue, dquery, dbias = self._parts(d)
        dc = xp.zeros(c.shape, x.dtype)
        dc[..., : dy.shape[-1] - V] = dy[..., V:]
        for k, here in enumerate(at):
            dc[..., k] += xp.einsum("tnhd,tnhd->tnh", dy[..., :V], value[here])
            dvalue[here] += c[..., k, None] * dy[..., :V]
        dc -= xp.einsum("tnhk,tnhk->tnh", c, dc)[..., None]
        dc *= c
        center = at[self.num_left_inputs]
        dbias[center] += dc
        dc = dc * self.key_scale
        for k, here in enumerate(at):
            dquery[center] += dc[..., k, None] * key[here]
            dkey[here] += dc[..., k, None] * query
        return d[kept].reshape(x.shape)

    def store_stats(self, x: Array, y: Array, memo: Any, io: Io) -> None:
        if self.entropy_stats.size == 0:
            self.entropy_stats = np.float64(0) * memo[0, 0].sum(axis=-1)
            self.posterior_stats = np.float64(0) * memo[0, 0]
            self.stats_count = 0.0
        if not io.happens(2 / 3):
            return
        self.posterior_stats += memo.sum(axis=(0, 1))
        log_c = array_module(memo).log(memo.clip(1e-20, None))
        self.entropy_stats -= array_module(memo).einsum("tnhk,tnhk->h", memo, log_c)
        self.stats_count += memo.shape[0] * memo.shape[1]

    def _heads(self, x: Array) -> Array:
        return x.reshape(*x.shape[:2], self.num_heads, -1)

    def _parts(self, x: Array) -> tuple[Array, Array, Array, Array]:
        """Keys, values, queries and biases, views of x (T, N, heads, D)."""
        K, V = self.key_dim, self.value_dim
        return x[..., :K], x[..., K : K + V], x[..., K + V : 2 * K + V], x[..., 2 * K + V :]

    def _all_frames(self, io: Io) -> list[int]:
        """The input frames, and the missing ones in their places."""
        return sorted({t + offset for t in io.t_out for offset in self._offsets()}.union(io.t_in))

    def _contexts(self, io: Io) -> tuple[list[Rows], Rows]:
        """Rows of the padded input that each context position reads, and those that are really there."""
        frames = self._all_frames(io)
        return [rows(frames, [t + o for t in io.t_out]) for o in self._offsets()], rows(frames, io.t_in)

    def _padded(self, heads: Array, io: Io) -> Array:
        """`heads` (T, N, heads, D) with zero rows for the missing frames."""
        frames = self._all_frames(io)
        if len(frames) == len(io.t_in):
            return heads
        padded = array_module(heads).zeros((len(frames), *heads.shape[1:]), heads.dtype)
        padded[rows(frames, io.t_in)] = heads
        return padded

    def info(self) -> list[str]:
        keys = "num_heads time_stride key_dim value_dim num_left_inputs num_right_inputs context_dim"
        keys += " num_left_inputs_required num_right_inputs_required"
        parts = [f"{key.replace('_', '-')}={getattr(self, key)}" for key in keys.split()]
        parts.append(f"output-context={str(self.output_context).lower()}")
        parts.append(f"key-scale={self.key_scale:g}")
        if self.stats_count != 0:
            parts.append(f"entropy={_numbers(self.entropy_stats / self.stats_count)}")
            for h in range(min(self.num_heads, 5)):
                parts.append(f"posterior-stats[{h}]={_numbers(self.posterior_stats[h] / self.stats_count)}")
            parts.append(f"stats-count={self.stats_count:g}")
        return parts


def _softmax(c: Array) -> None:
    """Over the last axis, in place."""
    c -= c.max(axis=-1, keepdims=True)
    array_module(c).exp(c, out=c)
    c *= 1 / c.sum(axis=-1, keepdims=True)


def _numbers(v: Array) -> str:
    return ",".join(f"{float(x):g}" for x in v)

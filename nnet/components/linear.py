"""Matrix times vector: affine and linear layers, trained plainly, by natural gradient, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from nnet.backend import Array
from nnet.columns import Columns
from nnet.component import Component, Io, Updatable, common_options, config, flat, param
from nnet.config_line import ConfigLine
from nnet.kernels.products import multiply, times
from nnet.outer import NaturalGradient, add_outer, default_rank
from nnet.summary import matrix_info, rms_info, vector_info
from nnet.weights import check_dims, constraint_info, positive, random_weights, split_bias, weights_and_bias


@dataclass(kw_only=True, eq=False)
class Affine(Updatable):
    """y = W x + b.    W: (out, in), b: (out,)."""

    TAKES_COLUMNS: ClassVar[bool] = True
    TYPE: ClassVar[str] = "AffineComponent"
    NEEDS: ClassVar[str] = "x"
    SPLICES: ClassVar[bool] = True

    W: Array = param("out in")
    b: Array = param("out")
    orthonormal_constraint: float = config(0.0)  # positive: W W' = c^2 I; negative: c floats; 0: none

    @property
    def input_dim(self) -> int:
        return int(self.W.shape[1])

    @property
    def output_dim(self) -> int:
        return int(self.W.shape[0])

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        options = common_options(line)
        W, b = weights_and_bias(line, rng, bias_mean=False)
        return cls(W=W, b=b, orthonormal_constraint=line.float("orthonormal-constraint", 0.0), **options)

    def forward(self, x: Array | Columns, io: Io) -> tuple[Array, Any]:
        y = product(x, self.W, io)  # (T, N, out)
        y += self.b
        return y, None

    def forward_unbiased(self, x: Array | Columns, io: Io) -> tuple[Array, Array]:
        return product(x, self.W, io), self.b

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        return times(dy, self.W.T)

    def add_back(self, dy: Array, columns: slice, dx: Array, add: bool) -> None:
        add_product(dy, self.W[:, columns], dx, add)

    def update(self, delta: Self, dy: Array, x: Array, y: Array, memo: Any, io: Io) -> None:
        add_outer(delta, rows_of(x, ones=True), flat(dy), delta.W, delta.b, natural=self.natural())

    def natural(self) -> tuple[NaturalGradient, NaturalGradient] | None:
        """Settings of the preconditioners of x and dy, or None."""
        return None

    def info(self) -> list[str]:
        return [
            *super().info(),
            *constraint_info(self.orthonormal_constraint),
            *matrix_info("linear-params", self.W),
            vector_info("bias", self.b),
        ]


@dataclass(kw_only=True, eq=False)
class NaturalGradientAffine(Affine):
    """y = W x + b, its update preconditioned over the rows [x 1] and over those of dy."""

    TYPE: ClassVar[str] = "NaturalGradientAffineComponent"

    rank_in: int = config(20)
    rank_out: int = config(80)
    update_period: int = config(4)
    num_samples_history: float = config(2000.0)
    alpha: float = config(4.0)

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        options = common_options(line)
        W, b = weights_and_bias(line, rng, bias_mean=True)
        constraint = line.float("orthonormal-constraint", 0.0)
        return cls(W=W, b=b, orthonormal_constraint=constraint, **ng_options(line, W), **options)

    def natural(self) -> tuple[NaturalGradient, NaturalGradient]:
        return ng_settings(self)

    def info(self) -> list[str]:
        return [*super().info(), *ng_info(self)]


@dataclass(kw_only=True, eq=False)
class Linear(Updatable):
    """y = W x.    W: (out, in). `use_natural_gradient` is kept in files but has no effect, as in Kaldi."""

    TAKES_COLUMNS: ClassVar[bool] = True
    TYPE: ClassVar[str] = "LinearComponent"
    NEEDS: ClassVar[str] = "x"
    SPLICES: ClassVar[bool] = True

    W: Array = param("out in")
    orthonormal_constraint: float = config(0.0)
    use_natural_gradient: bool = config(True)
    rank_in: int = config(20)
    rank_out: int = config(80)
    update_period: int = config(4)
    num_samples_history: float = config(2000.0)
    alpha: float = config(4.0)

    @property
    def input_dim(self) -> int:
        return int(self.W.shape[1])

    @property
    def output_dim(self) -> int:
        return int(self.W.shape[0])

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        options = common_options(line)
        if line.has("matrix"):
            W = np.array(line.matrix("matrix"), dtype=np.float32)
            check_dims(line, W.shape[1], W.shape[0])
        else:
            W = random_weights(line, rng)
        return cls(
            W=W,
            orthonormal_constraint=line.float("orthonormal-constraint", 0.0),
            use_natural_gradient=line.bool("use-natural-gradient", True),
            **ng_options(line, W),
            **options,
        )

    def forward(self, x: Array | Columns, io: Io) -> tuple[Array, Any]:
        return product(x, self.W, io), None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        return times(dy, self.W.T)

    def add_back(self, dy: Array, columns: slice, dx: Array, add: bool) -> None:
        add_product(dy, self.W[:, columns], dx, add)

    def update(self, delta: Self, dy: Array, x: Array, y: Array, memo: Any, io: Io) -> None:
        add_outer(delta, rows_of(x), flat(dy), delta.W, None, natural=ng_settings(self))

    def info(self) -> list[str]:
        return [
            *super().info(),
            *matrix_info("params", self.W),
            *constraint_info(self.orthonormal_constraint),
            f"use-natural-gradient={str(self.use_natural_gradient).lower()}",
            *ng_info(self),
        ]


@dataclass(kw_only=True, eq=False)
class FixedAffine(Component):
    """y = W x + b, never trained.    W: (out, in), b: (out,)."""

    TYPE: ClassVar[str] = "FixedAffineComponent"
    NEEDS: ClassVar[str] = ""

    W: Array = config()
    b: Array = config()

    @property
    def input_dim(self) -> int:
        return int(self.W.shape[1])

    @property
    def output_dim(self) -> int:
        return int(self.W.shape[0])

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        if line.has("matrix"):
            M = np.asarray(line.matrix("matrix"), dtype=np.float32)
        else:
            shape = positive(line, "output-dim"), positive(line, "input-dim") + 1
            M = rng.standard_normal(shape, dtype=np.float32)
        return cls(**split_bias(M, line))

    def forward(self, x: Array, io: Io) -> tuple[Array, Any]:
        y = times(x, self.W)  # (T, N, out)
        y += self.b
        return y, None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        return times(dy, self.W.T)

    def info(self) -> list[str]:
        return [*super().info(), rms_info("linear-params", self.W), vector_info("bias", self.b)]


def rows_of(x: Array | Columns, ones: bool = False) -> Columns:
    """The rows of x (T, N, D), or of Columns that stand for it; with a column of ones last if wanted."""
    if isinstance(x, Columns):
        return x.with_ones() if ones else x
    return Columns((flat(x),), ones)


def product(x: Array | Columns, W: Array, io: Io) -> Array:
    """W x at every frame, (T, N, out)."""
    return x.times(W).reshape(len(io.t_out), io.n, -1) if isinstance(x, Columns) else times(x, W)


def add_product(dy: Array, W: Array, dx: Array, add: bool) -> None:
    """dx = W' dy at every frame, or += if `add`, for dy (T, N, out) and dx (T, N, D)."""
    if dx.flags.c_contiguous:
        multiply(flat(dy), W, flat(dx), add=add)
    elif add:
        dx += times(dy, W.T)
    else:
        dx[...] = times(dy, W.T)


def ng_options(line: ConfigLine, W: np.ndarray) -> dict[str, Any]:
    """Natural-gradient fields from the config line; a negative rank means the default."""
    rank_in, rank_out = line.int("rank-in", -1), line.int("rank-out", -1)
    return {
        "rank_in": rank_in if rank_in >= 0 else default_rank(W.shape[1], 20),
        "rank_out": rank_out if rank_out >= 0 else default_rank(W.shape[0], 80),
        "update_period": line.int("update-period", 4),
        "num_samples_history": line.float("num-samples-history", 2000.0),
        "alpha": line.float("alpha", 4.0),
    }


def ng_settings(c: Any) -> tuple[NaturalGradient, NaturalGradient]:
    """Preconditioner settings of a component with the fields of `ng_options`."""
    rest = c.alpha, c.update_period, c.num_samples_history
    return NaturalGradient(c.rank_in, *rest), NaturalGradient(c.rank_out, *rest)


def ng_info(c: Any) -> list[str]:
    """The fields of `ng_options` as nnet3-info prints them."""
    return [
        f"rank-in={c.rank_in}",
        f"rank-out={c.rank_out}",
        f"num-samples-history={c.num_samples_history:g}",
        f"update-period={c.update_period}",
        f"alpha={c.alpha:g}",
    ]

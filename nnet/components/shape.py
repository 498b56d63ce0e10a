"""Columns copied, moved, summed, multiplied: components that have no parameters and keep no statistics."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from nnet.backend import Array, array_module
from nnet.component import Component, Io, config
from nnet.config_line import ConfigLine
from nnet.weights import positive


def dims(line: ConfigLine) -> tuple[int, int]:
    """input-dim and output-dim, of which the first must be a multiple of the second."""
    dim_in, dim_out = positive(line, "input-dim"), positive(line, "output-dim")
    if dim_in % dim_out:
        raise ValueError(f"{line.where}: input-dim={dim_in} is not a multiple of output-dim={dim_out}")
    return dim_in, dim_out


@dataclass(kw_only=True, eq=False)
class NoOp(Component):
    """y = x; the derivative is multiplied by backprop_scale on its way back."""

    TYPE = "NoOpComponent"
    NEEDS = ""

    dim: int = config()
    backprop_scale: float = config(1.0)

    @property
    def input_dim(self) -> int:
        return self.dim

    @property
    def output_dim(self) -> int:
        return self.dim

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        return cls(dim=positive(line, "dim"), backprop_scale=line.float("backprop-scale", 1.0))

    def forward(self, x: Array, io: Io) -> tuple[Array, None]:
        return x, None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        return dy if self.backprop_scale == 1 else dy * self.backprop_scale

    def info_dims(self) -> list[str]:
        return [f"dim={self.dim}"]

    def info(self) -> list[str]:
        return [] if self.backprop_scale == 1 else [f"backprop-scale={self.backprop_scale:g}"]


@dataclass(kw_only=True, eq=False)
class Permute(Component):
    """y[..., i] = x[..., column_map[i]]."""

    TYPE = "PermuteComponent"

    column_map: tuple[int, ...] = config()

    @property
    def input_dim(self) -> int:
        return len(self.column_map)

    @property
    def output_dim(self) -> int:
        return len(self.column_map)

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        column_map = line.ints("column-map")
        if not column_map or sorted(column_map) != list(range(len(column_map))):
            raise ValueError(
                f"{line.where}: column-map must hold each of 0 ... {len(column_map) - 1} exactly once"
            )
        return cls(column_map=column_map)

    @cached_property
    def _maps(self) -> tuple[np.ndarray, np.ndarray]:
        """The map and its inverse."""
        there = np.asarray(self.column_map, dtype=np.intp)
        return there, np.argsort(there)

    def forward(self, x: Array, io: Io) -> tuple[Array, None]:
        xp = array_module(x)
        return xp.take(x, xp.asarray(self._maps[0]), axis=-1), None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        xp = array_module(dy)
        return xp.take(dy, xp.asarray(self._maps[1]), axis=-1)

    def info_dims(self) -> list[str]:
        first = "".join(f"{column} " for column in self.column_map[:5])
        more = "... " if len(self.column_map) > 5 else ""
        return [f"dim={len(self.column_map)} , column-map=[ {first}{more}]"]


@dataclass(kw_only=True, eq=False)
class Blocks(Component):
    """A component that sees x as dim_in / dim_out parts of its columns."""

    dim_in: int = config()
    dim_out: int = config()

    @property
    def input_dim(self) -> int:
        return self.dim_in

    @property
    def output_dim(self) -> int:
        return self.dim_out

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        dim_in, dim_out = dims(line)
        return cls(dim_in=dim_in, dim_out=dim_out)

    def _parts(self, x: Array) -> Array:
        """(T, N, parts, dim_out): parts side by side."""
        return x.reshape(*x.shape[:2], -1, self.dim_out)

    def _groups(self, x: Array) -> Array:
        """(T, N, dim_out, group): groups of neighbours."""
        return x.reshape(*x.shape[:2], self.dim_out, -1)


@dataclass(kw_only=True, eq=False)
class SumBlock(Blocks):
    """y = scale * sum of the parts of x, dim_out columns each."""

    TYPE = "SumBlockComponent"

    scale: float = config(1.0)

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        dim_in, dim_out = dims(line)
        return cls(dim_in=dim_in, dim_out=dim_out, scale=line.float("scale", 1.0))

    def forward(self, x: Array, io: Io) -> tuple[Array, None]:
        y = self._parts(x).sum(axis=2)
        y *= self.scale
        return y, None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        xp = array_module(dy)
        dx = xp.empty((*dy.shape[:2], self.dim_in // self.dim_out, self.dim_out), dy.dtype)
        xp.multiply(dy[:, :, None, :], self.scale, out=dx)
        return dx.reshape(*dy.shape[:2], self.dim_in)

    def info(self) -> list[str]:
        return [f"scale={self.scale:g}"]


@dataclass(kw_only=True, eq=False)
class ElementwiseProduct(Blocks):
    """y = product of the parts of x, dim_out columns each."""

    TYPE = "ElementwiseProductComponent"

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        c = super().configure(line, rng)
        if c.dim_in == c.dim_out:
            raise ValueError(
                f"{line.where}: input-dim={c.dim_in} leaves one part; a product needs two or more"
            )
        return c

    def forward(self, x: Array, io: Io) -> tuple[Array, None]:
        parts = self._parts(x)
        y = parts[:, :, 0] * parts[:, :, 1]
        for k in range(2, parts.shape[2]):
            y *= parts[:, :, k]
        return y, None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        xp = array_module(x)
        parts = self._parts(x)
        dx = xp.empty(parts.shape, dy.dtype)
        for k in range(parts.shape[2]):
            other, *rest = (j for j in range(parts.shape[2]) if j != k)
            xp.multiply(dy, parts[:, :, other], out=dx[:, :, k])
            for j in rest:
                dx[:, :, k] *= parts[:, :, j]
        return dx.reshape(x.shape)


@dataclass(kw_only=True, eq=False)
class Pnorm(Blocks):
    """y = Euclidean norm of each group of dim_in / dim_out neighbouring columns."""

    TYPE = "PnormComponent"

    def forward(self, x: Array, io: Io) -> tuple[Array, None]:
        xp = array_module(x)
        groups = self._groups(x)
        y = xp.einsum("tnij,tnij->tni", groups, groups)
        return xp.sqrt(y, out=y), None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        along = dy / (y + (y == 0))  # a group of zeros has derivative zero, as x is zero
        return (self._groups(x) * along[..., None]).reshape(x.shape)


@dataclass(kw_only=True, eq=False)
class SumGroup(Component):
    """y[..., i] = sum of the i-th group of neighbouring columns, of sizes[i] columns."""

    TYPE = "SumGroupComponent"

    sizes: tuple[int, ...] = config()

    @property
    def input_dim(self) -> int:
        return sum(self.sizes)

    @property
    def output_dim(self) -> int:
        return len(self.sizes)

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        if not line.has("sizes"):
            dim_in, dim_out = dims(line)
            return cls(sizes=(dim_in // dim_out,) * dim_out)
        sizes = line.ints("sizes")
        if not sizes or min(sizes) <= 0:
            raise ValueError(f"{line.where}: sizes={line.str('sizes')} must all be positive")
        return cls(sizes=sizes)

    def forward(self, x: Array, io: Io) -> tuple[Array, None]:
        xp = array_module(x)
        starts = np.cumsum((0, *self.sizes[:-1]))
        return xp.add.reduceat(x, xp.asarray(starts), axis=-1), None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        return array_module(dy).repeat(dy, self.sizes, axis=-1)

"""The older convolution and max pooling, each over one row seen as an array of three axes x, y, z."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from nnet.backend import Array, array_module
from nnet.columns import Columns
from nnet.component import Component, Io, Updatable, common_options, config, param
from nnet.config_line import ConfigLine
from nnet.outer import add_gradient
from nnet.summary import rms_info, vector_info
from nnet.weights import positive, random_vector, split_bias

SIZES = (
    *("input-x-dim", "input-y-dim", "input-z-dim"),
    *("filt-x-dim", "filt-y-dim", "filt-x-step", "filt-y-step"),
)  # of Convolution, as its options
CONVOLVED = "input_{}_dim", "filt_{}_dim", "filt_{}_step"  # what goes along an axis
POOLED = "input_{}_dim", "pool_{}_size", "pool_{}_step"
YZX, ZYX = 0, 1  # order of the axes in a row, the fastest first
ORDERS = {"zyx": ZYX, "yzx": YZX}


@dataclass(kw_only=True, eq=False)
class Convolution(Updatable):
    """y[i, j] = W x[patch at (i filt_x_step, j filt_y_step)] + b.    W: (filters, filt_x filt_y input_z).

    A patch is filt_x_dim by filt_y_dim and has all z; in W and in y z, or the filter, runs fastest.
    """

    TYPE: ClassVar[str] = "ConvolutionComponent"

    input_x_dim: int = config()
    input_y_dim: int = config()
    input_z_dim: int = config()
    filt_x_dim: int = config()
    filt_y_dim: int = config()
    filt_x_step: int = config()
    filt_y_step: int = config()
    input_vectorization: int = config(ZYX)
    W: Array = param("filters filt_x*filt_y*input_z")
    b: Array = param("filters")

    def __post_init__(self) -> None:
        for axis in "xy":
            count_steps(axis, *(getattr(self, key.format(axis)) for key in CONVOLVED))
        columns = self.filt_x_dim * self.filt_y_dim * self.input_z_dim
        if self.W.shape[1] != columns:
            raise ValueError(
                f"W has {self.W.shape[1]} columns, but filt-x-dim={self.filt_x_dim}, "
                f"filt-y-dim={self.filt_y_dim} and input-z-dim={self.input_z_dim} make {columns}"
            )
        if self.input_vectorization not in (YZX, ZYX):
            raise ValueError(f"input-vectorization={self.input_vectorization} is neither 0 (yzx) nor 1 (zyx)")

    @property
    def steps(self) -> tuple[int, int]:
        """Positions of the filter along x and y."""
        x, y = (count_steps(axis, *(getattr(self, key.format(axis)) for key in CONVOLVED)) for axis in "xy")
        return x, y

    @property
    def input_dim(self) -> int:
        return self.input_x_dim * self.input_y_dim * self.input_z_dim

    @property
    def output_dim(self) -> int:
        return math.prod(self.steps) * len(self.W)

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        options = common_options(line)
        sizes: dict[str, Any] = {key.replace("-", "_"): positive(line, key) for key in SIZES}
        order = line.str("input-vectorization-order", "zyx")
        if order not in ORDERS:
            raise ValueError(f"{line.where}: input-vectorization-order={order} is neither zyx nor yzx")
        columns = sizes["filt_x_dim"] * sizes["filt_y_dim"] * sizes["input_z_dim"]
        try:
            return cls(**sizes, input_vectorization=ORDERS[order], **filters(line, rng, columns), **options)
        except ValueError as error:
            raise ValueError(f"{line.where}: {error}") from None

    def forward(self, x: Array, io: Io) -> tuple[Array, Any]:
        y = self._patches(x) @ self.W.T  # (T N steps, filters)
        y += self.b
        return y.reshape(*x.shape[:2], self.output_dim), None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        dx = array_module(x).zeros(x.shape, x.dtype)
        image = self._image(dx)
        d = (dy.reshape(-1, len(self.W)) @ self.W).reshape(
            len(image), *self.steps, self.filt_x_dim, self.filt_y_dim, self.input_z_dim
        )
        for i, j, at in self._places():
            image[at] += d[:, :, :, i, j]
        return dx

    def update(self, delta: Self, dy: Array, x: Array, y: Array, memo: Any, io: Io) -> None:
        G = Columns([self._patches(x)], ones=True).under(dy.reshape(-1, len(self.W)))
        add_gradient(delta, G, delta.W, delta.b, natural=None)

    def _image(self, x: Array) -> Array:
        """(T, N, D) seen as (T N, X, Y, Z)."""
        X, Y, Z = self.input_x_dim, self.input_y_dim, self.input_z_dim
        if self.input_vectorization == ZYX:
            return x.reshape(-1, X, Y, Z)
        return x.reshape(-1, X, Z, Y).transpose(0, 1, 3, 2)

    def _places(self) -> Iterator[tuple[int, int, tuple[slice, ...]]]:
        """Each place (i, j) in the filter, and the elements of the image that meet it as the filter moves."""
        (nx, ny), sx, sy = self.steps, self.filt_x_step, self.filt_y_step
        for i in range(self.filt_x_dim):
            for j in range(self.filt_y_dim):
                yield i, j, (slice(None), slice(i, i + nx * sx, sx), slice(j, j + ny * sy, sy))

    def _patches(self, x: Array) -> Array:
        """Rows (T N steps, columns of W)."""
        image = self._image(x)
        patches = array_module(x).empty(
            (len(image), *self.steps, self.filt_x_dim, self.filt_y_dim, self.input_z_dim), x.dtype
        )
        for i, j, at in self._places():
            patches[:, :, :, i, j] = image[at]
        return patches.reshape(-1, self.W.shape[1])

    def info(self) -> list[str]:
        return [
            *super().info(),
            *(f"{key}={getattr(self, key.replace('-', '_'))}" for key in SIZES),
            f"input-vectorization={self.input_vectorization}",
            f"num-filters={len(self.W)}",
            rms_info("filter-params", self.W),
            vector_info("bias-params", self.b),
        ]


@dataclass(kw_only=True, eq=False)
class Maxpooling(Component):
    """y = the largest x of each pool of pool_x_size by pool_y_size by pool_z_size; in a row z runs fastest.

    All elements that equal the largest get its derivative, as in Kaldi.
    """

    TYPE: ClassVar[str] = "MaxpoolingComponent"

    input_x_dim: int = config()
    input_y_dim: int = config()
    input_z_dim: int = config()
    pool_x_size: int = config()
    pool_y_size: int = config()
    pool_z_size: int = config()
    pool_x_step: int = config()
    pool_y_step: int = config()
    pool_z_step: int = config()

    def __post_init__(self) -> None:
        for axis in "xyz":
            size, step = getattr(self, f"pool_{axis}_size"), getattr(self, f"pool_{axis}_step")
            if size < step:
                raise ValueError(f"pool-{axis}-size={size} is smaller than pool-{axis}-step={step}")
        _ = self.pools

    @property
    def pools(self) -> tuple[int, int, int]:
        """The number of pools along each axis."""
        x, y, z = (count_steps(axis, *(getattr(self, key.format(axis)) for key in POOLED)) for axis in "xyz")
        return x, y, z

    @property
    def input_dim(self) -> int:
        return self.input_x_dim * self.input_y_dim * self.input_z_dim

    @property
    def output_dim(self) -> int:
        return math.prod(self.pools)

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        keys = (key.format(axis) for key in POOLED for axis in "xyz")
        sizes = {key: positive(line, key.replace("_", "-")) for key in keys}
        try:
            return cls(**sizes)
        except ValueError as error:
            raise ValueError(f"{line.where}: {error}") from None

    def forward(self, x: Array, io: Io) -> tuple[Array, Any]:
        xp, image = array_module(x), self._image(x)
        first, *others = self._places()
        y = image[first].copy()  # (T N, pools along x, y, z)
        for at in others:
            xp.maximum(y, image[at], out=y)
        return y.reshape(*x.shape[:2], self.output_dim), None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        dx, image = array_module(x).zeros(x.shape, x.dtype), self._image(x)
        d = self._image(dx)
        y, dy = y.reshape(-1, *self.pools), dy.reshape(-1, *self.pools)
        for at in self._places():
            d[at] += (image[at] == y) * dy
        return dx

    def _image(self, x: Array) -> Array:
        return x.reshape(-1, self.input_x_dim, self.input_y_dim, self.input_z_dim)

    def _places(self) -> Iterator[tuple[slice, ...]]:
        """For each place in a pool, the elements of the image there, one for each pool."""
        sizes = self.pool_x_size, self.pool_y_size, self.pool_z_size
        steps = self.pool_x_step, self.pool_y_step, self.pool_z_step
        for place in np.ndindex(*sizes):
            ranges = (slice(i, i + n * step, step) for i, n, step in zip(place, self.pools, steps))
            yield (slice(None), *ranges)

    def info_dims(self) -> list[str]:
        return []

    def info(self) -> list[str]:
        keys = (key.format(axis) for key in POOLED for axis in "xyz")
        return [f"{key.replace('_', '-')}={getattr(self, key)}" for key in keys]


def count_steps(axis: str, length: int, size: int, step: int) -> int:
    """Positions of a filter of `size` that moves by `step`. Raises ValueError unless that fills `length`."""
    if min(length, size, step) <= 0 or size > length or (length - size) % step:
        raise ValueError(
            f"along {axis} a filter or pool of size {size} and step {step} does not come out even on {length}"
        )
    return 1 + (length - size) // step


def filters(line: ConfigLine, rng: np.random.Generator, columns: int) -> dict[str, Any]:
    """W and b: from `matrix`, whose last column is b, else normal."""
    if line.has("matrix"):
        return split_bias(np.asarray(line.matrix("matrix"), dtype=np.float32), line)
    shape = positive(line, "num-filters"), columns
    stddev = line.float("param-stddev", 1 / math.sqrt(columns))
    W = np.float32(stddev) * rng.standard_normal(shape, dtype=np.float32)
    return {"W": W, "b": random_vector(len(W), rng, 0.0, line.float("bias-stddev", 1.0))}

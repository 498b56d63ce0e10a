"""Random masks: dropout in Kaldi's four forms. The seed of the node makes them, the same on every device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from nnet.backend import Array, array_module, like
from nnet.component import Component, Io, config
from nnet.config_line import ConfigLine
from nnet.kernels import masks
from nnet.kernels.rows import constant
from nnet.weights import check_block, positive


def around_one(io: Io, shape: tuple[int, ...], proportion: float, like: Array) -> Array:
    """Uniform on [1 - 2p, 1 + 2p]: what Kaldi calls continuous dropout."""
    return masks.uniform(io.seed, shape, 1 - 2 * proportion, 4 * proportion, like)


def proportion_of(line: ConfigLine, key: str, *default: float) -> float:
    """The value of `key`, which must lie in [0, 1]."""
    value = line.float(key, *default)
    if not 0 <= value <= 1:
        raise ValueError(f"{line.where}: {key}={value} is not in [0, 1]")
    return value


@dataclass(kw_only=True, eq=False)
class Masked(Component):
    """y = x * mask, or y = x where there is no mask. memo: the mask."""

    NEEDS = ""

    dim: int = config()
    test_mode: bool = config(False)

    @property
    def input_dim(self) -> int:
        return self.dim

    @property
    def output_dim(self) -> int:
        return self.dim

    def info_dims(self) -> list[str]:
        return [f"dim={self.dim}"]

    def mask(self, io: Io, x: Array) -> Array | None:
        """The mask of this minibatch, where x lies."""
        raise NotImplementedError

    def forward(self, x: Array, io: Io) -> tuple[Array, Any]:
        mask = self.mask(io, x)
        if mask is None:
            return x, None
        mask = mask if mask.size == x.size else mask.astype(x.dtype)  # large ones stay boolean
        return _times(x, mask), mask

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        return dy if memo is None else _times(dy, memo)


def _times(x: Array, mask: Array) -> Array:
    """x * mask for x (T, N, D); mask broadcasts against x, or has 4 axes, (T or 1, N, 1, block_dim)."""
    if mask.ndim == 3:
        return x * mask
    return (x.reshape(*x.shape[:2], -1, mask.shape[3]) * mask).reshape(x.shape)


@dataclass(kw_only=True, eq=False)
class Dropout(Masked):
    """Zeroes a random part of the elements, or of the rows, and rescales none; test mode scales by 1 - p."""

    TYPE = "DropoutComponent"

    dropout_proportion: float = config(0.0)
    dropout_per_frame: bool = config(False)

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        return cls(
            dim=positive(line, "dim"),
            dropout_proportion=proportion_of(line, "dropout-proportion"),
            dropout_per_frame=line.bool("dropout-per-frame", False),
            test_mode=line.bool("test-mode", False),
        )

    def mask(self, io: Io, x: Array) -> Array | None:
        if self.dropout_proportion == 0:
            return None
        if self.test_mode:
            return array_module(x).full((1, 1, 1), 1 - self.dropout_proportion, x.dtype)
        shape = (len(io.t_out), io.n, 1 if self.dropout_per_frame else self.dim)
        return masks.kept(io.seed, shape, self.dropout_proportion, x)

    def info(self) -> list[str]:
        per_frame = str(self.dropout_per_frame).lower()
        return [f"dropout-proportion={self.dropout_proportion:g}", f"dropout-per-frame={per_frame}"]


@dataclass(kw_only=True, eq=False)
class GeneralDropout(Masked):
    """One mask for all frames of a sequence, or for each `time_period` frames; the identity in test mode.

    The mask has mean 1: 0 or 1 / (1 - p), or if `continuous` uniform on [1 - 2p, 1 + 2p]; blocks of columns
    share it. With specaugment_max_proportion it is instead 1 with a zeroed band of columns, of random width
    up to that proportion (counted round the end), in at most specaugment_max_regions pieces, not rescaled.
    """

    TYPE = "GeneralDropoutComponent"

    block_dim: int = config()
    time_period: int = config(0)
    dropout_proportion: float = config(0.5)
    specaugment_max_proportion: float = config(0.0)
    specaugment_max_regions: int = config(1)
    continuous: bool = config(False)

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        dim = positive(line, "dim")
        c = cls(
            dim=dim,
            block_dim=line.int("block-dim", dim),
            time_period=line.int("time-period", 0),
            dropout_proportion=proportion_of(line, "dropout-proportion", 0.5),
            specaugment_max_proportion=proportion_of(line, "specaugment-max-proportion", 0.0),
            specaugment_max_regions=line.int("specaugment-max-regions", 1),
            continuous=line.bool("continuous", False),
            test_mode=line.bool("test-mode", False),
        )
        check_block(line, dim, c.block_dim)
        if c.specaugment_max_proportion and (c.continuous or c.specaugment_max_regions < 1):
            raise ValueError(
                f"{line.where}: specaugment-max-proportion needs continuous=false (given {c.continuous}) "
                f"and specaugment-max-regions >= 1 (given {c.specaugment_max_regions})"
            )
        return c

    def mask(self, io: Io, x: Array) -> Array | None:
        if self.test_mode or (self.dropout_proportion == 0 and self.specaugment_max_proportion == 0):
            return None
        periods = [t // self.time_period for t in io.t_out] if self.time_period else [0]
        distinct, period_of_frame = np.unique(periods, return_inverse=True)
        values = self._draw(io, (len(distinct), io.n, self.block_dim), x)
        if len(distinct) > 1:
            values = values[constant(period_of_frame, x)]
        return values[:, :, None, :]  # (T or 1, N, 1, block_dim)

    def _draw(self, io: Io, shape: tuple[int, ...], x: Array) -> Array:
        p = self.dropout_proportion
        if self.specaugment_max_proportion:
            rows = [self._band(io.rng) for _ in range(shape[0] * shape[1])]
            return like(np.reshape(rows, shape), x)
        if self.continuous:
            return around_one(io, shape, p, x)
        return masks.kept(io.seed, shape, p, x) * x.dtype.type(1 / (1 - p) if p < 1 else 0.0)

    def _band(self, rng: np.random.Generator) -> np.ndarray:
        """Ones (block_dim,) with a random band of zeros (GeneralDropoutComponent::GetMemo)."""
        n = self.block_dim
        mask = np.ones(n)
        width = rng.integers(0, int(n * self.specaugment_max_proportion + 0.5), endpoint=True)
        if width == 0:
            return mask
        mask[(rng.integers(n) + np.arange(width)) % n] = 0
        half = n // 2
        for _ in range(1, self.specaugment_max_regions):  # turn a random half of the circle of columns round
            start, step = rng.integers(n), np.arange(half // 2)
            a, b = (start + step) % n, (start + half - step) % n
            mask[a], mask[b] = mask[b], mask[a]
        return mask

    def info(self) -> list[str]:
        parts = [f"block-dim={self.block_dim}", f"dropout-proportion={self.dropout_proportion:g}"]
        parts += ["continuous=true"] * self.continuous
        if self.specaugment_max_proportion:
            parts.append(f"specaugment-max-proportion={self.specaugment_max_proportion:g}")
            parts.append(f"specaugment-max-regions={self.specaugment_max_regions}")
        return parts + ([f"time-period={self.time_period}"] if self.time_period > 0 else [])


@dataclass(kw_only=True, eq=False)
class SpecAugmentTimeMask(Masked):
    """Zeroes stretches of 1 to time_mask_max_frames frames, apart in each sequence; off in test mode.

    They alternate with kept stretches, whose longest length follows from the proportion.
    """

    TYPE = "SpecAugmentTimeMaskComponent"

    zeroed_proportion: float = config(0.25)
    time_mask_max_frames: int = config(10)

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        c = cls(
            dim=positive(line, "dim"),
            zeroed_proportion=proportion_of(line, "zeroed-proportion", 0.25),
            time_mask_max_frames=line.int("time-mask-max-frames", 10),
        )
        if c.time_mask_max_frames <= 1 or (c.zeroed_proportion and c.longest_kept() < 1):
            raise ValueError(
                f"{line.where}: time-mask-max-frames={c.time_mask_max_frames} is too short "
                f"for zeroed-proportion={c.zeroed_proportion}"
            )
        return c

    def longest_kept(self) -> int:
        """The most frames between two zeroed stretches."""
        return int(self.time_mask_max_frames * (1 - self.zeroed_proportion) / self.zeroed_proportion)

    def mask(self, io: Io, x: Array) -> Array | None:
        if self.test_mode or self.zeroed_proportion == 0:
            return None
        rows = [self._stretches(len(io.t_out), io.rng) for _ in range(io.n)]
        return like(np.stack(rows, axis=1)[..., None], x)  # (T, N, 1)

    def _stretches(self, length: int, rng: np.random.Generator) -> np.ndarray:
        """1 where frames are kept, else 0 (SpecAugmentTimeMaskComponent::GetMemo)."""
        frames = np.zeros(length)
        t = 0
        while t < length:
            if t > 0 or rng.random() < self.zeroed_proportion:
                stop = t + int(rng.integers(1, self.longest_kept(), endpoint=True))
                frames[t:stop] = 1
                t = stop
            t += int(rng.integers(1, self.time_mask_max_frames, endpoint=True))
        return frames

    def info(self) -> list[str]:
        max_frames = self.time_mask_max_frames
        return [f"zeroed-proportion={self.zeroed_proportion:g}", f"time-mask-max-frames={max_frames}"]


@dataclass(kw_only=True, eq=False)
class DropoutMask(Component):
    """Reads nothing, gives masks: rows of 0 and 1, or if `continuous` uniform on [1 - 2p, 1 + 2p].

    With 2 or 3 columns (the input, forget and output gates of an LSTM) the first two are never both 0.
    Test mode gives 1 - p, or 1 if continuous.
    """

    TYPE = "DropoutMaskComponent"

    dim_out: int = config()
    dropout_proportion: float = config(0.5)
    continuous: bool = config(False)
    test_mode: bool = config(False)

    @property
    def input_dim(self) -> int:
        return self.dim_out  # the node names itself as its input

    @property
    def output_dim(self) -> int:
        return self.dim_out

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        return cls(
            dim_out=positive(line, "output-dim"),
            dropout_proportion=proportion_of(line, "dropout-proportion", 0.5),
            continuous=line.bool("continuous", False),
            test_mode=line.bool("test-mode", False),
        )

    def reads(self, t: int) -> list[int]:
        return []

    def forward(self, x: Array, io: Io) -> tuple[Array, None]:
        return self.mask(io, x).astype(x.dtype), None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        return x * 0

    def mask(self, io: Io, x: Array) -> Array:
        """(T, N, output_dim)."""
        shape = (len(io.t_out), io.n, self.dim_out)
        p = self.dropout_proportion
        if p == 0 or self.test_mode:
            return array_module(x).full(shape, 1.0 if self.continuous else 1 - p, x.dtype)
        if self.continuous:
            return around_one(io, shape, p, x)
        if self.dim_out not in (2, 3):
            return masks.kept(io.seed, shape, p, x)
        u = masks.uniform(io.seed, shape, 0.0, 1.0, x)
        mask = u >= p
        mask[..., 1] = u[..., 0] < 1 - p
        return mask

    def info_dims(self) -> list[str]:
        return [f"output-dim={self.dim_out}"]

    def info(self) -> list[str]:
        continuous = ["continuous=true"] if self.continuous else []
        return [f"dropout-proportion={self.dropout_proportion:g}", *continuous]

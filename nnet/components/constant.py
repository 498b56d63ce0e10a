"""The same vector at every frame, trained or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from nnet.backend import Array, array_module
from nnet.component import Io, Updatable, common_options, config, flat, param
from nnet.config_line import ConfigLine
from nnet.outer import NaturalGradient, add_row_sum
from nnet.summary import vector_info
from nnet.weights import positive, random_vector

RANK = 20  # of the preconditioner, fixed in Kaldi


@dataclass(kw_only=True, eq=False)
class Constant(Updatable):
    """y = output, (dim,), whatever the frame; it reads nothing.

    With is_updatable=False the vector is not a parameter: neither trained, scaled, averaged nor counted.
    """

    TYPE: ClassVar[str] = "ConstantComponent"

    output: Array = param("dim")
    is_updatable: bool = config(True)
    use_natural_gradient: bool = config(True)

    @property
    def input_dim(self) -> int:
        return self.output_dim  # of no meaning; the node needs an input of this dim all the same, as in Kaldi

    @property
    def output_dim(self) -> int:
        return len(self.output)

    @property
    def is_trained(self) -> bool:
        return self.is_updatable

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        return cls(**constant_options(line, rng))

    def reads(self, t: int) -> list[int]:
        return []

    def forward(self, x: Array, io: Io) -> tuple[Array, Any]:
        y = array_module(x).empty((len(io.t_out), io.n, self.output_dim), x.dtype)
        y[...] = self.output
        return y, None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        return array_module(x).zeros_like(x)

    def update(self, delta: Self, dy: Array, x: Array, y: Array, memo: Any, io: Io) -> None:
        if self.is_updatable:
            natural = NaturalGradient(RANK, freezes=False) if self.use_natural_gradient else None
            add_row_sum(delta, delta.output, flat(dy), natural, "output")

    def info(self) -> list[str]:
        return [
            *super().info(),
            self.TYPE,
            *self._repeated_dims(),
            f"is-updatable={str(self.is_updatable).lower()}",
            f"use-natural-gradient={str(self.use_natural_gradient).lower()}",
            vector_info("output", self.output),
        ]

    def _repeated_dims(self) -> list[str]:
        """Kaldi prints type and dims twice."""
        return [f"output-dim={self.output_dim}"]


@dataclass(kw_only=True, eq=False)
class ConstantFunction(Constant):
    """y = output, (dim,), at every frame of its input, whose values do not matter."""

    TYPE: ClassVar[str] = "ConstantFunctionComponent"

    dim_in: int = config()

    @property
    def input_dim(self) -> int:
        return self.dim_in

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        return cls(dim_in=positive(line, "input-dim"), **constant_options(line, rng))

    def reads(self, t: int) -> list[int]:
        return [t]

    def _repeated_dims(self) -> list[str]:
        return self.info_dims()


def constant_options(line: ConfigLine, rng: np.random.Generator) -> dict[str, Any]:
    """The fields of Constant: `output` normal of output-mean (0) and output-stddev (0)."""
    mean, stddev = line.float("output-mean", 0.0), line.float("output-stddev", 0.0)
    return {
        "output": random_vector(positive(line, "output-dim"), rng, mean, stddev),
        "is_updatable": line.bool("is-updatable", True),
        "use_natural_gradient": line.bool("use-natural-gradient", True),
        **common_options(line),
    }

"""Tiny components and networks to try the graph with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nnet.component import Component, Io, Updatable, config, flat, param
from nnet.config_line import ConfigLine
from nnet.graph.network import Nnet


@dataclass(kw_only=True, eq=False)
class Toy(Updatable):
    """y[t] = sum_k tanh?(x[t + offsets[k]] W_k) + b, W (offsets, in, out)."""

    TYPE = "Toy"
    W: Any = param("offsets in out")
    b: Any = param("out")
    offsets: tuple[int, ...] = config((0,))
    optional: tuple[int, ...] = config(())
    squash: bool = config(False)

    @property
    def input_dim(self) -> int:
        return self.W.shape[1]

    @property
    def output_dim(self) -> int:
        return self.W.shape[2]

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Toy:
        n_in, n_out = line.int("input-dim"), line.int("output-dim")
        offsets = line.ints("time-offsets", (0,))
        squash, optional = line.bool("squash", False), line.ints("optional", ())
        W = rng.standard_normal((len(offsets), n_in, n_out)).astype(np.float32) / np.sqrt(n_in)
        b = rng.standard_normal(n_out).astype(np.float32)
        return cls(W=W, b=b, offsets=offsets, optional=optional, squash=squash)

    def reads(self, t: int) -> list[int]:
        return [t + o for o in self.offsets]

    def pairs(self, io: Io):
        """(k, rows of x, rows of y) for each offset, frames that are missing left out."""
        where = {t: i for i, t in enumerate(io.t_in)}
        for k, o in enumerate(self.offsets):
            found = [(where[t + o], i) for i, t in enumerate(io.t_out) if t + o in where]
            if found:
                yield k, np.array([f[0] for f in found]), np.array([f[1] for f in found])

    def forward(self, x, io: Io):
        y = np.zeros((len(io.t_out), io.n, self.output_dim), x.dtype) + self.b
        for k, src, dst in self.pairs(io):
            y[dst] += x[src] @ self.W[k]
        y = np.tanh(y) if self.squash else y
        return y, y.copy()

    def backward(self, dy, x, y, memo, io: Io, delta=None):
        assert np.array_equal(memo, y)
        dx = np.zeros_like(x)
        d = self.through(dy, y)
        for k, src, dst in self.pairs(io):
            dx[src] += d[dst] @ self.W[k].T
        return dx

    def through(self, dy, y):
        return dy * (1 - y * y) if self.squash else dy

    def update(self, delta, dy, x, y, memo, io: Io) -> None:
        assert np.array_equal(memo, y)
        d = self.through(dy, y) * delta.learning_rate
        delta.b += flat(d).sum(0)
        for k, src, dst in self.pairs(io):
            delta.W[k] += flat(x[src]).T @ flat(d[dst])


@dataclass(kw_only=True, eq=False)
class OptionalToy(Toy):
    """A toy whose optional offsets may be missing."""

    TYPE = "OptionalToy"

    def uses(self, t: int, available: Any) -> list[int] | None:
        required = [t + o for o in self.offsets if o not in self.optional]
        if not all(available(f) for f in required):
            return None
        return required + [t + o for o in self.optional if available(t + o)]


@dataclass(kw_only=True, eq=False)
class Square(Component):
    """y = x * x, without parameters."""

    TYPE = "Square"
    dim: int = config()

    @property
    def input_dim(self) -> int:
        return self.dim

    output_dim = input_dim

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Square:
        return cls(dim=line.int("dim"))

    def forward(self, x, io: Io):
        return x * x, None

    def backward(self, dy, x, y, memo, io: Io, delta=None):
        return 2 * x * dy


@dataclass(kw_only=True, eq=False)
class Pass(Square):
    """y = x: hands on the very arrays it gets."""

    TYPE = "Pass"

    def forward(self, x, io: Io):
        return x, None

    def backward(self, dy, x, y, memo, io: Io, delta=None):
        return dy


@dataclass(kw_only=True, eq=False)
class Noise(Square):
    """y = x times random numbers."""

    TYPE = "Noise"

    def forward(self, x, io: Io):
        mask = io.rng.standard_normal(x.shape).astype(x.dtype)
        return x * mask, mask

    def backward(self, dy, x, y, memo, io: Io, delta=None):
        return dy * memo


@dataclass(kw_only=True, eq=False)
class Ones(Square):
    """Ones, without reading anything."""

    TYPE = "Ones"

    def reads(self, t: int) -> list[int]:
        return []

    def forward(self, x, io: Io):
        assert x.shape == (0, io.n, self.dim)
        return np.ones((len(io.t_out), io.n, self.dim), x.dtype), None

    def backward(self, dy, x, y, memo, io: Io, delta=None):
        raise AssertionError("nobody is there to take the derivative")


TOYS = {c.TYPE: c for c in (Toy, OptionalToy, Square, Pass, Noise, Ones)}


def make_toy(line: ConfigLine, rng: np.random.Generator) -> Component:
    component = TOYS[line.str("type")].configure(line, rng)
    line.str("name")
    line.finish()
    return component


def toy_net(text: str, seed: int = 0) -> Nnet:
    """A network from lines such as `h = Toy 3 4 time-offsets=-1,0 < Append(input, Offset(input, 1))`.

    `input 3` and `output < h` are inputs and outputs; other lines go to the config as they are.
    """
    lines = []
    for line in filter(None, map(str.strip, text.splitlines())):
        words = line.split()
        if "<" not in words:
            lines.append(f"input-node name={words[0]} dim={words[1]}" if len(words) == 2 else line)
            continue
        head, source = line.split(" < ")
        if "=" not in words[:2]:
            lines.append(f"output-node name={head.strip()} input={source}")
            continue
        name, _, kind, *options = head.split()
        if kind in ("Toy", "OptionalToy"):
            options[:2] = [f"input-dim={options[0]}", f"output-dim={options[1]}"]
        else:
            options[:1] = [f"dim={options[0]}"]
        lines.append(f"component name={name} type={kind} {' '.join(options)}")
        lines.append(f"component-node name={name} component={name} input={source}")
    return Nnet.from_config(lines, make_toy, rng=np.random.default_rng(seed))

"""What a component is: declared fields with roles, and mathematics on (T, N, D) arrays."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cache, cached_property, lru_cache
from typing import Any, ClassVar, Self

import numpy as np

from nnet.backend import Array
from nnet.config_line import ConfigLine
from nnet.frames import Rows, shifted_rows

PARAM, STAT, CONFIG, STATE = "param", "stat", "config", "state"
SHARES = (1 / 2, 2 / 3, 3 / 4)  # of the minibatches, in which things are done that need not be done in all


def param(shape: str = "") -> Any:
    """A trained array: scaled, added, averaged, part of norms and L2. `shape` is for the reader."""
    return field(metadata={"role": PARAM, "shape": shape})


def stat(default: Any = None, shape: str = "") -> Any:
    """An accumulated array or number: scaled, added and averaged, never part of norms or L2."""
    return field(default=default, metadata={"role": STAT, "shape": shape})


def config(*default: Any) -> Any:
    """A setting: copied and written, never computed with."""
    if default:
        return field(default=default[0], metadata={"role": CONFIG})
    return field(metadata={"role": CONFIG})


def state() -> Any:
    """Scratch of one training job (natural-gradient factors): not written, not compared, dropped in
    copies.
    """
    return field(default_factory=dict, compare=False, repr=False, metadata={"role": STATE})


@dataclass(frozen=True)
class Io:
    """What a component is told of one call: the frames of its rows and the seed of its random numbers.

    `t_in` and `t_out` are the sorted frames of the first axis of x and y; `n` is the number of sequences.
    """

    t_in: tuple[int, ...]
    t_out: tuple[int, ...]
    n: int
    seed: tuple[int, ...] = (0,)

    def at(self, offset: int) -> Rows:
        """Rows of x that hold frames t_out + offset: a slice if evenly spaced, else an index array."""
        return shifted_rows(self.t_in, self.t_out, offset)

    def happens(self, share: float) -> bool:
        """Whether what is done in this share (of SHARES) of the minibatches is done in this one.

        One draw from the seed of the minibatch decides for all nodes and shares, so that few kinds of
        minibatch exist. In the first minibatch of a job it is always done.
        """
        return kind_of_minibatch(self.seed[0]) <= SHARES.index(share)

    @cached_property
    def rng(self) -> np.random.Generator:
        """This node's generator for this minibatch: the same seed gives the same draws (backstitch,
        resume).
        """
        return np.random.default_rng(self.seed)


def minibatch_seed(seed: int, number: int) -> int:
    """The seed of minibatch `number` of a job."""
    return ((seed & 0xFFFFFFFF) << 32) + number


@lru_cache(maxsize=64)
def kind_of_minibatch(seed: int) -> int:
    """How many of SHARES a uniform number is not below; it is 0 for the first minibatch of a job."""
    u = np.random.default_rng(seed).random() if seed & 0xFFFFFFFF else 0.0
    return sum(u >= share for share in SHARES)


@dataclass(kw_only=True, eq=False)
class Component:
    """Maps rows of one (T, N, input_dim) array to rows of one (T', N, output_dim) array.

    Arrays are float32, or float64 in gradient checks; a component never names a dtype or a device.
    """

    TYPE: ClassVar[str] = ""  # the name in Kaldi's files, e.g. "TdnnComponent"
    NEEDS: ClassVar[str] = "xy"  # what store_stats, backward and update read of the pass; the rest is None
    TAKES_COLUMNS: ClassVar[bool] = False  # whether x and dy may be some columns of wider rows
    OVERWRITES: ClassVar[bool] = False  # whether backward takes `out`, an array for dx that may be dy

    CLIPS: ClassVar[bool] = False  # y = max(x, 0), and backward needs y alone
    SPLICES: ClassVar[bool] = False  # whether x may be Columns of T N rows; dx then comes from `add_back`

    @property
    def input_dim(self) -> int:
        raise NotImplementedError

    @property
    def output_dim(self) -> int:
        raise NotImplementedError

    @property
    def is_trained(self) -> bool:
        """Whether the fields with the role PARAM really are parameters."""
        return True

    def leaves(self) -> tuple[Component, ...]:
        """The components that hold the fields: itself, or those it is composed of."""
        return (self,)

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        """A new component from a config line (Kaldi's InitFromConfig), random parameters drawn from `rng`
        on the host.
        """
        raise NotImplementedError

    def reads(self, t: int) -> list[int]:
        """Input frames that output frame t would like to see."""
        return [t]

    def uses(self, t: int, available: Any) -> list[int] | None:
        """The frames of reads(t) for which available(frame) holds, or None if frame t can then not be
        computed.
        """
        frames = self.reads(t)
        return frames if all(available(f) for f in frames) else None

    def forward(self, x: Array, io: Io) -> tuple[Array, Any]:
        """y (T', N, output_dim), and a memo for `backward` (None if x and y are enough). Never changes x."""
        raise NotImplementedError

    def forward_unbiased(self, x: Array, io: Io) -> tuple[Array, Array] | None:
        """y without the bias, in an array of its own, and the bias (output_dim,); None if there is none."""
        return None

    @property
    def takes_clipped(self) -> bool:
        """Whether it has `forward_clipped`, as it is set now."""
        return False

    def forward_clipped(self, x: Array, b: Array, io: Io) -> tuple[Array, Any]:
        """`forward` of max(x + b, 0), which x becomes, for b (input_dim,)."""
        raise NotImplementedError

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        """dx for the objective's derivative dy. Never changes dy. With `delta`, self-repair acts and is
        counted there. One that OVERWRITES takes `out` too, and may put dx there: dy itself, if nobody else
        reads it.
        """
        raise NotImplementedError

    def add_back(self, dy: Array, columns: slice, dx: Array, add: bool) -> None:
        """dx = these columns of what `backward` gives, or += if `add`: asked of those that SPLICE."""
        raise NotImplementedError

    def store_stats(self, x: Array, y: Array, memo: Any, io: Io) -> None:
        """Accumulate statistics of the forward pass in self (Kaldi's StoreStats)."""

    def store_backward_stats(self, dy: Array, io: Io) -> None:
        """Accumulate statistics of the output derivative in self (Kaldi's StoreBackpropStats); called on
        the delta.
        """

    def info_dims(self) -> list[str]:
        """The `key=value` parts that give the dims in nnet3-info; Kaldi's types differ in how they name
        them.
        """
        return [f"input-dim={self.input_dim}", f"output-dim={self.output_dim}"]

    def info(self) -> list[str]:
        """Further `key=value` parts of the component's line in nnet3-info, after type and dims."""
        return []

    def describe(self) -> str:
        """Its line in nnet3-info: type, dims, and what it says of itself."""
        return ", ".join([self.TYPE, *self.info_dims(), *self.info()])


@dataclass(kw_only=True, eq=False)
class Updatable(Component):
    """A component with parameters, and the options that all of them share."""

    learning_rate: float = config(0.001)  # the rate in force, learning_rate_factor already multiplied in
    learning_rate_factor: float = config(1.0)
    max_change: float = config(0.0)
    l2_regularize: float = config(0.0)
    is_gradient: bool = config(False)  # a plain gradient is wanted: no natural gradient, rate 1
    scratch: dict[str, Any] = state()

    def update(self, delta: Self, dy: Array, x: Array, y: Array, memo: Any, io: Io) -> None:
        """Add this minibatch's change, learning rate and natural gradient applied, to delta's parameters."""
        raise NotImplementedError

    def info(self) -> list[str]:
        """The shared options as nnet3-info prints them (Kaldi: UpdatableComponent::Info)."""
        parts = [f"learning-rate={self.learning_rate:g}"]
        if self.is_gradient:
            parts.append("is-gradient=true")
        if self.l2_regularize:
            parts.append(f"l2-regularize={self.l2_regularize:g}")
        if self.learning_rate_factor != 1:
            parts.append(f"learning-rate-factor={self.learning_rate_factor:g}")
        if self.max_change > 0:
            parts.append(f"max-change={self.max_change:g}")
        return parts

    def set_learning_rate(self, rate: float) -> None:
        """Kaldi's SetUnderlyingLearningRate: the rate in force becomes rate times learning_rate_factor."""
        self.learning_rate = rate * self.learning_rate_factor


def common_options(line: ConfigLine) -> dict[str, Any]:
    """The options that every updatable component takes from its config line (Kaldi's
    InitLearningRatesFromConfig).
    """
    options = {
        "learning_rate": line.float("learning-rate", 0.001),  # the factor comes in with set_learning_rate
        "learning_rate_factor": line.float("learning-rate-factor", 1.0),
        "max_change": line.float("max-change", 0.0),
        "l2_regularize": line.float("l2-regularize", 0.0),
    }
    for name, value in options.items():
        if value < 0:
            raise ValueError(f"{line.where}: {name.replace('_', '-')}={value} is negative")
    return options


def names(c: Component, *roles: str) -> tuple[str, ...]:
    """Names of the fields of `c` (no composite) that have one of `roles`."""
    kind: Any = type(c)
    return _names(kind, roles if c.is_trained else tuple(r for r in roles if r != PARAM))


@cache
def _names(kind: Any, roles: tuple[str, ...]) -> tuple[str, ...]:
    """Looked up once: rules over whole models ask a thousand times a minibatch."""
    return tuple(f.name for f in fields(kind) if f.metadata.get("role") in roles)


def params(c: Component) -> dict[str, Array]:
    """The trained arrays of `c` by field name (absent ones, such as a missing bias, left out).

    In a composite component the number of the part stands before the name: "1.W".
    """
    leaves = c.leaves()
    return {
        name if leaf is c else f"{i}.{name}": array
        for i, leaf in enumerate(leaves, 1)
        for name in names(leaf, PARAM)
        if (array := getattr(leaf, name)) is not None
    }


def num_params(c: Component) -> int:
    """How many trained numbers `c` has."""
    return sum(a.size for a in params(c).values())


def flat(x: Array) -> Array:
    """(T, N, D) seen as (T*N, D)."""
    return x.reshape(-1, x.shape[-1])

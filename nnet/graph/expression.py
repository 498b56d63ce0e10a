"""What a node reads: the descriptor language as frozen dataclasses, its printed form, dims and normal form.

At frame t (Kaldi's nnet-descriptor.h; n is untouched and x is always 0):

    name              the node at t             Switch(d0, .., dk-1)      d_(t mod k)
    Append(d, ..)     columns side by side      Failover(a, b)            a if computable, else b
    Sum(d, ..)        the sum                   IfDefined(d)              d if computable, else zeros
    Scale(s, d)       s times d                 Round(d, m)               d at the multiple of m at or below t
    Offset(d, k)      d at t + k                ReplaceIndex(d, t, v)     d at v
    Const(v, dim)     dim columns of v
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import lcm


@dataclass(frozen=True)
class NodeRef:
    """The output of the node `name`."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Append:
    """The columns of all parts, side by side."""

    parts: tuple[Descriptor, ...]

    def __str__(self) -> str:
        return f"Append({_listed(self.parts)})"


@dataclass(frozen=True)
class Sum:
    """The sum of all parts."""

    parts: tuple[Descriptor, ...]

    def __str__(self) -> str:
        return f"Sum({_listed(self.parts)})"


@dataclass(frozen=True)
class Scale:
    """`scale` times `part`."""

    scale: float
    part: Descriptor

    def __str__(self) -> str:
        return f"Scale({self.scale:g}, {self.part})"


@dataclass(frozen=True)
class Offset:
    """`part` at frame t + offset."""

    part: Descriptor
    offset: int

    def __str__(self) -> str:
        return f"Offset({self.part}, {self.offset})"


@dataclass(frozen=True)
class Const:
    """`dim` columns that hold `value` at every frame."""

    value: float
    dim: int

    def __str__(self) -> str:
        return f"Const({self.value:g}, {self.dim})"


@dataclass(frozen=True)
class Round:
    """`part` at the greatest multiple of `modulus` that is not above t."""

    part: Descriptor
    modulus: int

    def __str__(self) -> str:
        return f"Round({self.part}, {self.modulus})"


@dataclass(frozen=True)
class ReplaceIndex:
    """`part` at frame `value`, whatever t is; with variable "x" (always 0 here) simply `part`."""

    part: Descriptor
    variable: str
    value: int

    def __str__(self) -> str:
        return f"ReplaceIndex({self.part}, {self.variable}, {self.value})"


@dataclass(frozen=True)
class IfDefined:
    """`part` where it can be computed, zeros elsewhere."""

    part: Descriptor

    def __str__(self) -> str:
        return f"IfDefined({self.part})"


@dataclass(frozen=True)
class Failover:
    """The first of two parts that can be computed."""

    parts: tuple[Descriptor, Descriptor]

    def __str__(self) -> str:
        return f"Failover({_listed(self.parts)})"


@dataclass(frozen=True)
class Switch:
    """The part whose position is t modulo the number of parts."""

    parts: tuple[Descriptor, ...]

    def __str__(self) -> str:
        return f"Switch({_listed(self.parts)})"


Descriptor = (
    NodeRef | Append | Sum | Scale | Offset | Const | Round | ReplaceIndex | IfDefined | Failover | Switch
)


def children(d: Descriptor) -> tuple[Descriptor, ...]:
    """The descriptors directly inside `d`."""
    if isinstance(d, (Append, Sum, Failover, Switch)):
        return d.parts
    return () if isinstance(d, (NodeRef, Const)) else (d.part,)


def with_children(d: Descriptor, parts: tuple[Descriptor, ...]) -> Descriptor:
    """`d` with `parts` in place of its children."""
    if isinstance(d, (NodeRef, Const)):
        return d
    if isinstance(d, (Append, Sum, Switch)):
        return replace(d, parts=parts)
    if isinstance(d, Failover):
        return Failover((parts[0], parts[1]))
    return replace(d, part=parts[0])


def nodes(d: Descriptor) -> Iterator[str]:
    """Names of the nodes that `d` mentions, in order, with repeats."""
    if isinstance(d, NodeRef):
        yield d.name
    for part in children(d):
        yield from nodes(part)


def modulus(d: Descriptor) -> int:
    """The frames after which `d` repeats itself: least common multiple of Round and Switch periods.

    As in Kaldi, what stands inside a Round or a ReplaceIndex does not count.
    """
    if isinstance(d, (Round, ReplaceIndex)):
        return d.modulus if isinstance(d, Round) else 1
    own = len(d.parts) if isinstance(d, Switch) else 1
    return lcm(own, *(modulus(part) for part in children(d)))


def dim(d: Descriptor, dims: Mapping[str, int]) -> int:
    """The number of columns of `d`, given those of the nodes. Raises ValueError if parts of a sum differ."""
    if isinstance(d, NodeRef):
        return dims[d.name]
    if isinstance(d, Const):
        return d.dim
    widths = [dim(part, dims) for part in children(d)]
    if isinstance(d, Append):
        return sum(widths)
    for part, width in zip(children(d), widths):
        if width != widths[0]:
            raise ValueError(f"{d}: {children(d)[0]} has dim {widths[0]}, but {part} has dim {width}")
    return widths[0]


def to_float32(value: float) -> float:
    """`value` rounded to single precision, in which Kaldi keeps the numbers of descriptors."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


def _listed(parts: tuple[Descriptor, ...]) -> str:
    return ", ".join(str(part) for part in parts)

"""What a plan consists of: copies, and three kinds of step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nnet.frames import Rows

Frames = tuple[int, ...]


@dataclass(frozen=True)
class Copy:
    """x[dst, :, columns] = (or +=, if `add`) scale * y_source[src, :, source_columns]."""

    source: str
    src: Rows
    source_columns: slice
    dst: Rows
    columns: slice
    scale: float
    add: bool
    whole: bool  # it reads every row and column of the source, in order
    repeats: bool  # it reads some rows more than once


@dataclass(frozen=True)
class Fill:
    """x[rows, :, columns] = value, before the copies."""

    rows: Rows
    columns: slice
    value: float


@dataclass(frozen=True)
class Gather:
    """How the input x (T, N, dim) of a node comes about: fills, then copies; or, if `alias`, as a view.

    If `spliced`, x is nothing but views side by side: consecutive whole rows of one or more sources.
    """

    dim: int
    fills: tuple[Fill, ...]
    copies: tuple[Copy, ...]
    alias: bool
    spliced: bool = False


@dataclass(frozen=True)
class Apply:
    """Gather x of a component node over all its frames, then apply the component."""

    node: str
    gather: Gather
    t_in: Frames
    t_out: Frames


@dataclass(frozen=True)
class Output:
    """Gather what an output node shows."""

    node: str
    gather: Gather
    t_out: Frames


@dataclass(frozen=True)
class Turn:
    """One node's part in one block of frames: copy from nodes of the group (rows of x from 0), then apply."""

    node: str
    rows: slice
    copies: tuple[Copy, ...]
    frames: Frames


@dataclass(frozen=True)
class Recurrence:
    """A group of nodes that depend on each other through delays, run in turns.

    `gathers` copy what comes from outside the group, for all frames at once; the turns copy the rest. The x
    of a node in `views` is not copied: it is the rows and columns that its only copy names. Nor is the y of a
    node in `written`: it is those columns of the x of that reader. The x of a node `alone` may be overwritten
    by it: nobody else reads any of it, later. Of a node `within` no turn reads rows of more than one turn.
    """

    nodes: tuple[str, ...]
    frames: Mapping[str, Frames]
    gathers: Mapping[str, Gather]
    views: Mapping[str, Copy]
    written: Mapping[str, tuple[str, slice]]
    alone: frozenset[str]
    within: frozenset[str]
    turns: tuple[Turn, ...]


Step = Apply | Output | Recurrence


def members(step: Step) -> tuple[str, ...]:
    """The nodes that a step computes."""
    return step.nodes if isinstance(step, Recurrence) else (step.node,)

"""Several components in a row that stand in a network as one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from nnet.backend import Array, array_module
from nnet.component import Component, Io, Updatable, config, flat
from nnet.config_line import ConfigLine
from nnet.kernels.rows import joined
from nnet.tree import with_own_stats
from nnet.weights import positive

UNFIT = (  # they draw random numbers or look at time
    "BackpropTruncationComponent",
    "DropoutComponent",
    "DropoutMaskComponent",
    "GeneralDropoutComponent",
    "SpecAugmentTimeMaskComponent",
)


@dataclass(frozen=True)
class Link:
    """What one part makes of a block of rows."""

    part: Component
    x: Array
    y: Array
    memo: Any
    io: Io


@dataclass(kw_only=True, eq=False)
class Composite(Updatable):
    """y = part_n(... part_2(part_1(x))), computed max_rows_process rows at a time.

    Parts see each block of rows as one sequence of frames; they may read only the frame that they compute.
    To save memory only x and y are kept: `backward`, `update` and `store_stats` each go forward again. The
    parts learn with their own learning rates; L2, max-change and constraints hold for the composite alone.
    """

    TYPE: ClassVar[str] = "CompositeComponent"

    max_rows_process: int = config(4096)  # 0: all at once
    parts: tuple[Component, ...] = config()

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError("a composite component needs at least one part")
        for i, part in enumerate(self.parts, 1):
            if isinstance(part, Composite) or part.TYPE in UNFIT or _reads_elsewhere(part):
                raise ValueError(f"part {i} of a composite component may not be a {part.TYPE}")
        for i, (one, following) in enumerate(zip(self.parts, self.parts[1:]), 1):
            if one.output_dim != following.input_dim:
                raise ValueError(
                    f"part {i} of a composite component has output-dim={one.output_dim}, "
                    f"part {i + 1} has input-dim={following.input_dim}"
                )

    @property
    def input_dim(self) -> int:
        return self.parts[0].input_dim

    @property
    def output_dim(self) -> int:
        return self.parts[-1].output_dim

    def leaves(self) -> tuple[Component, ...]:
        return self.parts

    @classmethod
    def configure(cls, line: ConfigLine, rng: np.random.Generator) -> Self:
        keys = [f"component{i}" for i in range(1, positive(line, "num-components") + 1)]
        parts = tuple(line.part(key, rng) for key in keys)
        try:
            return cls(max_rows_process=line.int("max-rows-process", 4096), parts=parts)
        except ValueError as error:
            raise ValueError(f"{line.where}: {error}") from None

    def set_learning_rate(self, rate: float) -> None:
        """Also sets the rates of the parts, each with its own factor."""
        super().set_learning_rate(rate)
        for part in self.parts:
            if isinstance(part, Updatable):
                part.set_learning_rate(self.learning_rate)

    def forward(self, x: Array, io: Io) -> tuple[Array, Any]:
        y = [links[-1].y[:, 0] for _, links in self._chains(x, io)]
        return joined(y).reshape(*x.shape[:2], self.output_dim), None

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        dx = array_module(x).empty((x.shape[0] * x.shape[1], x.shape[2]), x.dtype)
        changes = [None] * len(self.parts) if delta is None else delta.parts
        for rows, links in self._chains(x, io):
            d = flat(dy)[rows][:, None]
            for link, change in zip(reversed(links), reversed(changes)):
                d = link.part.backward(d, link.x, link.y, link.memo, link.io, change)
            dx[rows] = d[:, 0]
        return dx.reshape(x.shape)

    def update(self, delta: Self, dy: Array, x: Array, y: Array, memo: Any, io: Io) -> None:
        delta._prepare_parts()
        for rows, links in self._chains(x, io):
            d = flat(dy)[rows][:, None]
            for i, change in reversed(list(enumerate(delta.parts))):
                link = links[i]
                change.store_backward_stats(d, replace(link.io))  # with random numbers of its own
                if isinstance(link.part, Updatable) and link.part.learning_rate != 0:
                    assert isinstance(change, Updatable)
                    link.part.update(change, d, link.x, link.y, link.memo, link.io)
                if i > 0:  # self-repair as in `backward`, but counted there only
                    d = link.part.backward(d, link.x, link.y, link.memo, link.io, with_own_stats(change))

    def store_stats(self, x: Array, y: Array, memo: Any, io: Io) -> None:
        for _, links in self._chains(x, io):
            for link in links:
                link.part.store_stats(link.x, link.y, link.memo, link.io)

    def _chains(self, x: Array, io: Io) -> Iterator[tuple[slice, list[Link]]]:
        """Block after block of rows: which rows, and what each part makes of them, (rows, 1, D)."""
        total = x.shape[0] * x.shape[1]
        size = self.max_rows_process if self.max_rows_process > 0 else max(total, 1)
        for start in range(0, max(total, 1), size):
            rows = slice(start, min(start + size, total))
            frames = tuple(range(rows.stop - rows.start))
            links: list[Link] = []
            block = flat(x)[rows][:, None]
            for i, part in enumerate(self.parts):
                here = Io(frames, frames, 1, (*io.seed, start, i))
                y, memo = part.forward(block, here)
                links.append(Link(part, block, y, memo, here))
                block = y
            yield rows, links

    def _prepare_parts(self) -> None:
        """Hand on what was set on this component as a whole: a plain gradient, frozen preconditioners."""
        for part in self.parts:
            if isinstance(part, Updatable):
                part.scratch["frozen"] = self.scratch.get("frozen", False)
                if self.is_gradient:
                    part.is_gradient, part.learning_rate = True, self.learning_rate

    def describe(self) -> str:
        parts = (f"sub-component{i} = {{ {part.describe()} }}" for i, part in enumerate(self.parts, 1))
        return f"{self.TYPE} " + ", ".join(parts)


def _reads_elsewhere(part: Component) -> bool:
    """Whether a component reads other frames than the one that it computes."""
    return type(part).uses is not Component.uses or any(part.reads(t) != [t] for t in (0, 1))

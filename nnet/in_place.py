"""Components whose results take the place of what they are computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from nnet.backend import Array, array_module
from nnet.component import Io, Updatable


@dataclass(kw_only=True, eq=False)
class InPlace(Updatable):
    """A component that works in a room (T, N, input_dim + extra_dim): x, and columns beside it.

    `forward_in` makes what backward needs of x, `backward_in` dx of that. A recurrence that nobody else looks
    into has one room for all frames of a cell: neither x nor the derivative of what is gathered into x needs
    memory of its own, nothing of a turn is copied into the memo of all, and `update_in` finds dx there.
    A job that trains two LSTMs of 256 cells on 64 sequences took 154 MB, not 167. Where x is to stay,
    `forward` and the others do the same in copies. memo: the room.
    """

    NEEDS: ClassVar[str] = "y"

    @property
    def extra_dim(self) -> int:
        """How many columns a room has beside those of x."""
        raise NotImplementedError

    def forward_in(self, room: Array, y: Array) -> None:
        """Fill y (T, N, output_dim); x, the first columns of the room, becomes what `backward_in` reads."""
        raise NotImplementedError

    def count_in(self, delta: Self, room: Array) -> None:
        """Collect in delta the statistics that a room after `forward_in` tells."""
        raise NotImplementedError

    def backward_in(self, dy: Array, room: Array, delta: Self | None = None) -> None:
        """Turn the first columns of a room after `forward_in` into dx, the others into what `update_in`
        reads. With `delta` self-repair acts.
        """
        raise NotImplementedError

    def update_in(self, delta: Self, room: Array, y: Array) -> None:
        """`update` from a room after `backward_in`, without the statistics of `count_in`."""
        raise NotImplementedError

    def forward(self, x: Array, io: Io) -> tuple[Array, Array]:
        xp = array_module(x)
        room = xp.empty((*x.shape[:2], self.input_dim + self.extra_dim), x.dtype)
        room[..., : self.input_dim] = x
        y = xp.empty((*x.shape[:2], self.output_dim), x.dtype)
        self.forward_in(room, y)
        return y, room

    def backward(self, dy: Array, x: Array, y: Array, memo: Any, io: Io, delta: Self | None = None) -> Array:
        room = memo.copy()
        self.backward_in(dy, room, delta)
        return room[..., : self.input_dim]  # type: ignore[no-any-return]

    def update(self, delta: Self, dy: Array, x: Array, y: Array, memo: Any, io: Io) -> None:
        self.count_in(delta, memo)
        room = memo.copy()
        self.backward_in(dy, room, delta)
        self.update_in(delta, room, y)

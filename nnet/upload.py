"""Minibatches sent to a GPU ahead of their use: from page-locked memory, beside what is being computed."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

from nnet.backend import Array, array_module, page_locked, to_device
from nnet.device import with_arrays
from nnet.formats.background import in_background
from nnet.minibatch import Minibatch

SLOTS = 3  # one is computed with, one is there, one on its way


def uploaded(batches: Iterator[Minibatch], slots: int = SLOTS) -> Iterator[Minibatch]:
    """The minibatches with their arrays on the current CUDA device; what `batch_on_gpu` leaves stays.

    A thread fills page-locked memory and starts the copies, on a stream of its own; the current stream waits
    for them. Arrays of a minibatch are good until the next one is asked for: there are `slots` sets of them.
    """
    cupy = array_module(to_device(np.zeros(1, np.float32)))
    cuda = cupy.cuda
    stream, copying = cuda.get_current_stream(), cuda.Stream(non_blocking=True)
    device = cuda.Device()
    free: queue.Queue[Slot | None] = queue.Queue()
    for _ in range(slots):
        free.put(Slot(cupy))

    def started() -> Iterator[tuple[Slot, Minibatch]]:
        with device:
            for batch in batches:
                slot = free.get()
                if slot is None:
                    return
                yield slot, slot.load(batch, copying)

    ahead = in_background(started())
    try:
        for slot, batch in ahead:
            stream.wait_event(slot.copied)
            yield batch
            slot.used.record(stream)
            free.put(slot)
    finally:
        free.put(None)  # a thread that waits for a slot ends
        ahead.close()  # type: ignore[attr-defined]


class Slot:
    """Memory for one minibatch, on both sides, that grows to the largest, and what has been done with it."""

    def __init__(self, cupy: ModuleType):
        self.cupy = cupy
        self.copied, self.used = (cupy.cuda.Event(disable_timing=True) for _ in range(2))
        self.rooms: list[tuple[np.ndarray, Array]] = []

    def load(self, batch: Minibatch, stream: Any) -> Minibatch:
        """Start to copy a minibatch, after what reads the last one in this slot."""
        self.copied.synchronize()  # the last one has left the page-locked memory
        stream.wait_event(self.used)
        number = iter(range(1 << 30))
        there = with_arrays(batch, lambda a: self._copy(next(number), np.ascontiguousarray(a), stream))
        self.copied.record(stream)
        return there

    def _copy(self, number: int, a: np.ndarray, stream: Any) -> Array:
        if number == len(self.rooms):
            self.rooms.append(self._room(a.nbytes))
        if self.rooms[number][0].nbytes < a.nbytes:
            self.used.synchronize()  # nobody reads what is given back
            self.rooms[number] = self._room(a.nbytes)
        here, there = (self._form(room, a) for room in self.rooms[number])
        here[...] = a
        there.set(here, stream=stream)
        return there

    @staticmethod
    def _form(room: Array, a: np.ndarray) -> Array:
        return room[: a.nbytes].view(a.dtype).reshape(a.shape)

    def _room(self, size: int) -> tuple[np.ndarray, Array]:
        return page_locked(max(size, 1)), self.cupy.empty(max(size, 1), np.uint8)

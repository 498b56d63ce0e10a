"""Streams, events, memory pools and graphs of the emulated device, and what a capture refuses.

While a graph is captured nothing is computed: calls are recorded and what they would have filled is spoilt.
A launch first spoils all memory that captures took from the same pool, then makes the recorded calls again,
so that what a graph leaves in the memory of another, or reads from before, shows as NaN. Copies to the device
that were told a stream happen when another stream waits for an event recorded after them: before, their
target is spoilt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

import numpy as np

Call = Callable[[], Any]


class State:
    """What is going on: the current stream and allocator, and the calls recorded so far, if any."""

    stream: Any
    pool: Any = None
    recorded: list[Call] | None = None
    thread = 0  # that captures


def capturing() -> bool:
    """Whether calls of this thread are recorded."""
    return State.recorded is not None and State.thread == get_ident()


def refuse(what: str) -> None:
    """Raise RuntimeError if a graph is being captured."""
    if capturing():
        raise RuntimeError(f"{what}: operation not permitted when stream is capturing")


def perform(call: Call) -> None:
    """Make a call now, or note it for the graph that is being captured."""
    if capturing():
        State.recorded.append(call)  # type: ignore[union-attr]
    else:
        call()


def spoil(a: np.ndarray) -> None:
    """Make it show if what lies in `a` is used."""
    a[...] = np.nan if np.issubdtype(a.dtype, np.floating) else np.array(113).astype(a.dtype)


def made(call: Callable[[], np.ndarray], filled: bool = True) -> np.ndarray:
    """What a call returns; in a capture an array of that shape, which the graph fills later."""
    with np.errstate(all="ignore"):
        value = np.asarray(call())
    if capturing():
        if State.pool is None:
            raise RuntimeError("memory is taken during capture, but not from a pool of the graph's own")
        value = value.copy()
        spoil(value)
        State.pool.taken.append(value)
        if filled:
            State.recorded.append(lambda: np.copyto(value, call()))
    return value


class MemoryPool:
    """cupy.cuda.MemoryPool: here it only remembers what captures took from it."""

    def __init__(self) -> None:
        self.taken: list[np.ndarray] = []

    def malloc(self, size: int) -> None:
        """What is given to `using_allocator`."""


@contextmanager
def using_allocator(malloc: Any) -> Iterator[None]:
    """cupy.cuda.using_allocator."""
    before, State.pool = State.pool, malloc.__self__
    try:
        yield
    finally:
        State.pool = before


class Graph:
    """cupy.cuda.Graph."""

    def __init__(self, calls: list[Call], pool: MemoryPool | None):
        self.calls, self.pool, self.launches = calls, pool, 0

    def launch(self, stream: Any = None) -> None:
        """Make the recorded calls."""
        refuse("launch")
        self.launches += 1
        for a in self.pool.taken if self.pool else ():
            spoil(a)
        with np.errstate(all="ignore"):
            for call in self.calls:
                call()


class Event:
    """cupy.cuda.Event: how many copies had been started on its stream when it was recorded."""

    def __init__(self, **options: Any):
        self.stream: Any = None
        self.count = 0

    def synchronize(self) -> None:
        """The host waits."""
        refuse("synchronize")
        if self.stream is not None:
            self.stream.finish(self.count)

    def record(self, stream: Stream) -> None:
        """Note how far a stream is."""
        stream.record(self)


class Stream:
    """cupy.cuda.Stream."""

    number = 0

    def __init__(self, null: bool = False, non_blocking: bool = False):
        Stream.number += 0 if null else 1
        self.ptr = 0 if null else 100 + Stream.number
        self.copies: list[Call] = []
        self.finished = 0

    def __enter__(self) -> Stream:
        self.before, State.stream = State.stream, self
        return self

    def __exit__(self, *error: Any) -> None:
        State.stream = self.before

    def use(self) -> Stream:
        """This stream from now on."""
        State.stream = self
        return self

    def copy(self, target: np.ndarray, source: np.ndarray) -> None:
        """Start a copy: its source is read when it is waited for."""
        refuse("a copy from the host")
        spoil(target)
        self.copies.append(lambda: np.copyto(target, source))

    def finish(self, count: int) -> None:
        """Carry out the first `count` copies."""
        while self.finished < count:
            self.copies[self.finished]()
            self.finished += 1

    def synchronize(self) -> None:
        """The host waits."""
        refuse("synchronize")
        self.finish(len(self.copies))

    def record(self, event: Event | None = None) -> Event:
        """Note how far this stream is."""
        event = event or Event()
        event.stream, event.count = self, len(self.copies)
        return event

    def wait_event(self, event: Event) -> None:
        """What follows on this stream comes after the event."""
        event.synchronize()

    def begin_capture(self, mode: Any = None) -> None:
        """Record what follows."""
        if self.ptr == 0:
            raise RuntimeError("cudaErrorStreamCaptureUnsupported: the null stream cannot be captured")
        if State.stream is not self or capturing():
            raise RuntimeError("cudaErrorIllegalState")
        State.recorded, State.thread = [], get_ident()

    def end_capture(self) -> Graph:
        """The graph of what was recorded."""
        assert State.recorded is not None
        calls, State.recorded = State.recorded, None
        return Graph(calls, State.pool)


NULL = Stream(null=True)
State.stream = NULL

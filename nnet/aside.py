"""Work that nothing waits for until the end, done by a second thread while the first goes on.

In a backward pass that is how weight matrices change: half of the products, and natural gradient. Where
there are two threads for products, each then makes its own, which scales better than sharing every one
(docs/performance.md). With more, the chain of derivatives, on which all else waits, needs them itself.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from queue import SimpleQueue
from typing import Any

import numpy as np

from nnet import cores
from nnet.kernels.cblas import library

THREADS = 2
SWITCH = 2e-4  # seconds that a thread waits for the lock of Python; 5 ms cost 4 % of a minibatch of tdnnf
BEHIND = 6  # pieces of work that may wait, whose arrays stay in memory meanwhile

Work = Callable[[], None]


def at_once(work: Work) -> None:
    """Do the work now."""
    work()


@contextmanager
def aside(wanted: bool = True) -> Iterator[Callable[[Work], None]]:
    """A function that takes work to be done before the block ends, in any order; `at_once` if that is not
    `wanted` or there are not just two threads.

    What the work raises is raised at the end of the block; after an exception in the block none is begun.
    """
    if not wanted or threads() != THREADS:
        yield at_once
        return
    queue = _Queue(_thread(os.getpid()))
    interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH)
    with _one_each(), cores.uncut():
        try:
            yield queue.add
            queue.finish()
        finally:
            queue.abandon()
            sys.setswitchinterval(interval)


def threads() -> int:
    """How many threads there are for products; 1 if nobody knows."""
    found = library()
    if found is not None and found.shares:
        return cores.count()
    blas = _blas()
    return max((lib.num_threads or 1 for lib in blas.lib_controllers), default=1) if blas is not None else 1


def _one_each() -> AbstractContextManager[Any]:
    """While it lasts, products in numpy's own BLAS take one thread."""
    blas = _blas()
    return nullcontext() if blas is None else blas.limit(limits=1)


@cache
def _blas() -> Any:
    """What sets the number of threads of the BLAS, or None without threadpoolctl (the extra `threads`)."""
    try:
        from threadpoolctl import ThreadpoolController  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    return ThreadpoolController().select(user_api="blas")


@cache
def _thread(process: int) -> SimpleQueue[Work]:
    """What the second thread of this process takes work from; a fork gets one of its own."""
    return cores.new_thread("aside")


class _Piece:
    """Work for whoever begins it first, and what became of it."""

    def __init__(self, work: Work):
        self._work, self._begun, self._done = work, threading.Lock(), threading.Event()
        self._error: BaseException | None = None

    def beside(self) -> None:
        """Do it, unless it has been begun; what it raises is kept."""
        if self.begin():
            with cores.computing():
                try:
                    _quietly(self._work)
                except BaseException as error:  # raised again by `wait`
                    self._error = error
                finally:
                    self._done.set()

    def begin(self) -> bool:
        """Whether it had not been begun; it counts as begun now."""
        return self._begun.acquire(blocking=False)

    def do(self) -> None:
        """Do it here, having begun it."""
        _quietly(self._work)

    def wait(self) -> None:
        """Until the other thread has done it, sharing what it shares; raise what it raised."""
        cores.wait(self._done)
        if self._error is not None:
            raise self._error

    @property
    def went_well(self) -> bool:
        """Whether it is done, and raised nothing."""
        return self._done.is_set() and self._error is None


class _Queue:
    """Work given to the other thread, of which this one takes a share if it must wait anyway."""

    def __init__(self, other: SimpleQueue[Work]):
        self._other = other
        self._pending: list[_Piece] = []

    def add(self, work: Work) -> None:
        """Have the work done; here, if too much is waiting."""
        self._pending = [piece for piece in self._pending if not piece.went_well]
        if len(self._pending) > BEHIND:
            _quietly(work)
            return
        self._pending.append(_Piece(work))
        self._other.put(self._pending[-1].beside)

    def finish(self) -> None:
        """Return when all is done: this thread begins with the last, then shares what the other one does."""
        with np.errstate(all="ignore"):  # as in `_quietly`
            while self._pending:
                piece = self._pending.pop()
                if piece.begin():
                    piece.do()
                else:
                    piece.wait()

    def abandon(self) -> None:
        """Begin nothing more, and wait for what has begun."""
        for piece in [piece for piece in self._pending if not piece.begin()]:
            with suppress(BaseException), np.errstate(all="ignore"):
                piece.wait()


def _quietly(work: Work) -> None:
    """Settings of numpy's warnings belong to a thread; what is not finite is found by whoever reads it."""
    with np.errstate(all="ignore"):
        work()

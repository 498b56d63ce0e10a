"""Work that nothing waits for until the end, done by a second thread while the first goes on.

In a backward pass that is how weight matrices change: half of the products, and natural gradient. Where
there are two threads for products, each then makes its own, which scales better than sharing every one
(docs/performance.md). With more, the chain of derivatives, on which all else waits, needs them itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from nnet import cores
from nnet.kernels.cblas import library

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

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
    with _one_each():
        try:
            yield queue.add
            queue.finish()
        finally:
            queue.abandon()
            sys.setswitchinterval(interval)


def threads() -> int:
    """How many threads there are for products; 1 if nobody knows."""
    found, blas = library(), _blas()
    if found is not None and found.shares:
        return cores.count()
    return max((lib.num_threads for lib in blas.lib_controllers), default=1) if blas is not None else 1


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
def _thread(process: int) -> ThreadPoolExecutor:
    """The second thread of this process; a fork gets one of its own."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - 7 ms, for two threads only

    return ThreadPoolExecutor(1, "aside")


class _Queue:
    """Work given to an executor, of which this thread takes a share if it must wait anyway."""

    def __init__(self, executor: ThreadPoolExecutor):
        self._executor = executor
        self._pending: list[tuple[Future[None], Work]] = []

    def add(self, work: Work) -> None:
        """Have the work done; here, if too much is waiting."""
        self._pending = [(f, w) for f, w in self._pending if not f.done() or f.exception()]
        if len(self._pending) > BEHIND:
            _quietly(work)
        else:
            self._pending.append((self._executor.submit(_beside, work), work))

    def finish(self) -> None:
        """Return when all is done: this thread begins with the last, the other one with the first."""
        while self._pending:
            future, work = self._pending.pop()
            if future.cancel():
                _quietly(work)
                continue
            with cores.waiting():  # for products to share
                future.result()

    def abandon(self) -> None:
        """Begin nothing more, and wait for what has begun."""
        begun = [future for future, _ in self._pending if not future.cancel()]
        for future in begun:
            future.exception()


def _beside(work: Work) -> None:
    with cores.computing():
        _quietly(work)


def _quietly(work: Work) -> None:
    """Settings of numpy's warnings belong to a thread; what is not finite is found by whoever reads it."""
    with np.errstate(all="ignore"):
        work()

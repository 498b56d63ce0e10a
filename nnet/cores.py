"""The threads of this process: how many there may be, and work that they share.

Work here releases Python's lock: products, and passes over arrays in C.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from itertools import pairwise
from queue import SimpleQueue

VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
LARGE = 3  # times the small slices of shared work
ENOUGH = 2**18  # elements that one thread passes over in 0.1 to 0.3 ms; another is woken and done in 0.05

PAUSE = 5e-4  # seconds after which a thread that waits looks for work that it can share

_lock = threading.Lock()
_open: list[_Together] = []
_computing = 1  # threads that have work of their own
_uncut = 0


@cache
def count() -> int:
    """How many threads may compute: one for each core, or what the first of VARIABLES says, if fewer."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        cores = os.cpu_count() or 1
    for name in VARIABLES:
        value = os.environ.get(name, "").partition(",")[0].strip()
        if value.isdecimal() and int(value) > 0:
            return min(int(value), cores)
    return cores


def free() -> int:
    """How many threads may share a piece of work that begins now."""
    return max(1, count() // max(1, _computing))


@contextmanager
def computing() -> Iterator[None]:
    """One more thread has work of its own."""
    _count(1)
    try:
        yield
    finally:
        _count(-1)


@contextmanager
def waiting() -> Iterator[None]:
    """One of these only waits."""
    _count(-1)
    try:
        yield
    finally:
        _count(1)


@contextmanager
def uncut() -> Iterator[None]:
    """While it lasts no product is cut: who makes it, and beside what, must not tell in its bits."""
    global _uncut  # noqa: PLW0603
    _uncut += 1
    try:
        yield
    finally:
        _uncut -= 1


def for_a_product() -> int:
    """How many threads share a product that begins now: all, or none but the one that makes it."""
    return 1 if _uncut else count()


def _count(more: int) -> None:
    global _computing  # noqa: PLW0603 - one process, one number
    with _lock:
        _computing += more


def by_parts(work: Callable[[slice], None], n: int, elements: int) -> None:
    """work(slice) for slices of 0 .. n - 1, by all free threads if it passes over many `elements`."""
    threads = free() if elements >= ENOUGH else 1
    if threads == 1:
        work(slice(0, n))
    else:
        share(work, n, threads)


def share(work: Callable[[slice], None], n: int, threads: int) -> None:
    """work(slice) for slices that make up 0 .. n - 1, by so many threads; what one raises is raised here.

    First a large slice for each, then a small one for whoever comes first: a core is often slower than the
    next for a while.
    """
    cuts = [LARGE * i for i in range(threads)] + [LARGE * threads + i for i in range(threads + 1)]
    slices = iter([slice(a, b) for a, b in pairwise(n * cut // cuts[-1] for cut in cuts) if a < b])

    def some() -> None:
        for part in slices:
            work(part)

    done: SimpleQueue[BaseException | None] = SimpleQueue()
    helpers = _helpers(threads - 1)
    for helper in helpers:
        helper.put(partial(_tell, some, done))
    try:
        some()
    finally:
        errors = [error for _ in helpers if (error := done.get()) is not None]
    if errors:
        raise errors[0]


class _Together:
    """Pieces of work that threads take one by one."""

    def __init__(self, works: Sequence[Callable[[], object]]):
        self._works, self._left = iter(works), len(works)
        self._error: BaseException | None = None
        self._done = threading.Event()
        if not works:
            self._done.set()

    def one(self) -> bool:
        """Do one that nobody has begun; False if there is none. After an exception there is none."""
        try:
            work = next(self._works, None)
            if work is None:
                return False
            work()
            with _lock:
                self._left -= 1
            if self._left == 0:
                self._done.set()
        except BaseException as error:
            self._error = error
            for _ in self._works:
                pass
            self._done.set()
            raise
        return True

    def finish(self) -> None:
        """Return when all is done, or raise what was raised elsewhere."""
        while self.one():
            pass
        self._done.wait()
        if self._error is not None:
            raise self._error


def together(works: Sequence[Callable[[], object]]) -> None:
    """Do all these beside threads that wait (`wait`); what one raises is raised here.

    The bits do not depend on who does what, as long as every work is done by one thread alone.
    """
    group = _Together(works)
    _open.append(group)
    try:
        group.finish()
    finally:
        _open.remove(group)


def wait(done: threading.Event) -> None:
    """Until that has happened; meanwhile do what another thread does `together`; raise what that raises."""
    try:
        with waiting():
            while not done.wait(PAUSE):
                with computing():
                    while any(group.one() for group in tuple(_open)):
                        pass
    finally:
        done.wait()


def _tell(work: Callable[[], None], done: SimpleQueue[BaseException | None]) -> None:
    """Do the work, then put into `done` what it raised, or None."""
    try:
        work()
    except BaseException as error:  # raised again where the work was shared
        done.put(error)
    else:
        done.put(None)


def _helpers(threads: int) -> list[SimpleQueue[Callable[[], None]]]:
    """What so many further threads take work from.

    An executor's futures would double the 0.05 ms that it takes until a thread has begun and ended.
    """
    queues = _queues(os.getpid())
    while len(queues) < threads:
        queues.append(new_thread("share"))
    return queues[:threads]


@cache
def _queues(process: int) -> list[SimpleQueue[Callable[[], None]]]:
    """Those of this process: a fork begins without threads."""
    return []


def new_thread(name: str) -> SimpleQueue[Callable[[], None]]:
    """What a new thread takes work from, which must raise nothing. It ends with the process.

    Not one of an executor: an interrupt while that starts it leaves a thread that the process waits for.
    """
    queue: SimpleQueue[Callable[[], None]] = SimpleQueue()
    threading.Thread(target=_serve, args=(queue,), name=name, daemon=True).start()
    return queue


def _serve(queue: SimpleQueue[Callable[[], None]]) -> None:
    while True:
        queue.get()()


def _after_fork() -> None:
    global _lock, _computing, _uncut
    _lock, _computing, _uncut = threading.Lock(), 1, 0
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

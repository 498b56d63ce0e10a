"""The threads of this process: how many there may be, and work that they share.

Work here releases Python's lock: products, and passes over arrays in C.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import cache
from itertools import pairwise

VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
ENOUGH = 2**18  # elements that one thread passes over in 0.1 to 0.3 ms; waking another takes 0.03

_computing = [1]  # threads that compute something of their own


@cache
def count() -> int:
    """How many threads may compute: what the first of VARIABLES that is set says, or one for each core."""
    for name in VARIABLES:
        value = os.environ.get(name, "")
        if value.isdigit() and int(value) > 0:
            return int(value)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def free() -> int:
    """How many threads may share a piece of work that begins now."""
    return max(1, count() // _computing[-1])


@contextmanager
def computing(threads: int) -> Iterator[None]:
    """So many threads compute something of their own."""
    _computing.append(threads)
    try:
        yield
    finally:
        _computing.pop()


def by_parts(work: Callable[[slice], None], n: int, elements: int) -> None:
    """work(slice) for slices that make up 0 .. n - 1, by all free threads if it passes over many `elements`."""
    threads = free() if elements >= ENOUGH else 1
    if threads == 1:
        work(slice(0, n))
    else:
        share(work, n, threads)


def share(work: Callable[[slice], None], n: int, threads: int) -> None:
    """work(slice) for slices that make up 0 .. n - 1, each by a thread; what one raises is raised here."""
    slices = [slice(a, b) for a, b in pairwise(n * i // threads for i in range(threads + 1))]
    futures = [_pool(os.getpid()).submit(work, part) for part in slices[1:]]
    try:
        work(slices[0])
    finally:
        for future in futures:
            future.exception()
    for future in futures:
        future.result()


@cache
def _pool(process: int) -> Executor:
    """The further threads of this process; a fork gets its own."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - 7 ms, for several threads only

    return ThreadPoolExecutor(count(), "share")

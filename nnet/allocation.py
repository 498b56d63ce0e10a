"""Freed memory stays with the process: arrays of one minibatch lie where those of the last one lay."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h
KEPT = 1 << 30  # bytes: no array of a minibatch is larger
DOCUMENTED = 1 << 25  # bytes: the upper limit for M_MMAP_THRESHOLD in mallopt(3); newer libraries take more


def keep_freed_memory() -> None:
    """Let the C library neither map large arrays afresh nor give their pages back; nothing without glibc.

    By default every array above some size is mapped, zeroed page by page, and unmapped again: 40 000 page
    faults and a tenth of the time of a job of 23 small minibatches. Either setting ends the library's own
    adaptation of that size, so a library that refuses ours must not be left where it starts, at 128 kB.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    if not mallopt(M_MMAP_THRESHOLD, KEPT):
        mallopt(M_MMAP_THRESHOLD, DOCUMENTED)
    mallopt(M_TRIM_THRESHOLD, KEPT)
    mallopt(M_ARENA_MAX, 1)  # else every thread keeps freed memory of its own

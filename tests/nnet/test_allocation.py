"""Freed memory stays with the process."""

import platform
import resource
from types import SimpleNamespace

import numpy as np
import pytest

from nnet.allocation import M_MMAP_THRESHOLD, keep_freed_memory


def faults_of_fresh_arrays(count: int = 20, size: int = 10_000_000) -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        np.ones(size, np.float32)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is told")
def test_an_array_lies_where_the_last_one_lay():
    keep_freed_memory()
    faults_of_fresh_arrays(2)
    assert faults_of_fresh_arrays() < 10_000_000 * 4 / 4096  # not one array's pages; else those of all 20


def test_without_glibc_nothing_happens(monkeypatch):
    monkeypatch.setattr("nnet.allocation.ctypes.CDLL", lambda name: object())
    keep_freed_memory()


def test_a_library_that_refuses_gets_the_largest_size_of_the_manual(monkeypatch):
    held = {}

    def mallopt(what, size):
        """As mallopt(3) has it."""
        accepted = what != M_MMAP_THRESHOLD or size <= 32 << 20
        held.update({what: size} if accepted else {})
        return accepted

    monkeypatch.setattr("nnet.allocation.ctypes.CDLL", lambda name: SimpleNamespace(mallopt=mallopt))
    keep_freed_memory()
    assert held[M_MMAP_THRESHOLD] == 32 << 20

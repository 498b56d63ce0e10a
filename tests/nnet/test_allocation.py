"""Freed memory stays with the process."""

import platform
import resource

import numpy as np
import pytest

from nnet.allocation import keep_freed_memory


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

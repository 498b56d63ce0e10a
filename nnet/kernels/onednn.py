"""Products of float32 matrices by oneDNN, whose kernels are made for whatever processor is there.

The package onednn-cpu-gomp (the extra `onednn`, 180 MB) and conda put it beside Python. docs/performance.md
says what it gains.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from nnet.kernels import processor

LETTERS = {111: b"N", 112: b"T"}  # of CBLAS's CblasNoTrans and CblasTrans
SEQUENTIAL, OPENMP = 1, 2  # DNNL_RUNTIME_SEQ, DNNL_RUNTIME_OMP
Gemm = Callable[..., None]
_loading = threading.Lock()


class _Version(ctypes.Structure):
    """What dnnl_version returns (dnnl_version_t)."""

    _fields_ = [
        *((name, ctypes.c_int) for name in ("major", "minor", "patch")),
        ("hash", ctypes.c_char_p),
        *((name, ctypes.c_uint) for name in ("cpu_runtime", "gpu_runtime")),
    ]


def sgemm() -> Gemm | None:
    """oneDNN's product of float32, called as cblas_sgemm is, by rows, and made by the thread that calls it.

    None where there is no oneDNN, or one with threads of its own that cannot be kept to one.
    """
    return _gemm("dnnl_sgemm")


def bfloat16_gemm() -> Gemm | None:
    """The same of matrices in bfloat16, into one in float32; None where the processor knows no such product.

    oneDNN exports it, but for its own tests; one that does not any more is done without.
    """
    return _gemm("dnnl_gemm_bf16bf16f32") if processor.has("avx512_bf16") else None


def _gemm(name: str) -> Gemm | None:
    library = _load()
    function = getattr(library, name, None) if library is not None else None
    if function is None or not _is_sequential(library):
        return None
    c, i, real, p = ctypes.c_char, ctypes.c_int64, ctypes.c_float, ctypes.c_void_p
    function.argtypes = [c, c, i, i, i, real, p, i, p, i, real, p, i]

    def product(_: int, left: int, right: int, *arguments: Any) -> None:
        status = function(LETTERS[left], LETTERS[right], *arguments)
        if status:
            raise RuntimeError(f"oneDNN: {name} returned {status}; PYNNET3_BLAS=numpy does without it")

    return product


def _load() -> Any:
    """The library, loaded once: of two threads at it one might leave its environment to the other."""
    with _loading:
        return _loaded()


@cache
def _loaded() -> Any:
    """The library; while it is loaded OpenMP hears of one thread, since ours share the products."""
    with _one_openmp_thread():
        for path in sorted((Path(sys.prefix) / "lib").glob("libdnnl.so.*")):
            try:
                library = ctypes.CDLL(str(path))
                _ = library.dnnl_sgemm, library.dnnl_version
            except (OSError, AttributeError):  # for another machine, or in need of a SYCL that is not there
                continue
            return library
    return None


@contextmanager
def _one_openmp_thread() -> Iterator[None]:
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def _is_sequential(library: Any) -> bool:
    """Whether the thread that asks for a product is the only one to make it."""
    library.dnnl_version.restype = ctypes.POINTER(_Version)
    runtime = library.dnnl_version().contents.cpu_runtime
    return bool(runtime == SEQUENTIAL or (runtime == OPENMP and library.omp_get_max_threads() == 1))

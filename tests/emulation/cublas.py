"""The functions of cuBLAS that we call, in numpy: matrices lie columns first, at addresses."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from tests.emulation.streams import perform, refuse

INVALID_VALUE = 7  # CUBLAS_STATUS_INVALID_VALUE
TYPES = {0: np.float32, 1: np.float64}
ALLOWED = {(0, 68), (0, 77), (1, 70)}  # types of data and of computing that go together


class Cublas:
    """A library that remembers what it was asked for."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.handles = 0

    def cublasCreate_v2(self, handle: Any) -> int:
        refuse("cublasCreate")
        self.handles += 1
        handle._obj.value = 100 + self.handles
        self.calls.append(("create",))
        return 0

    def cublasSetStream_v2(self, handle: ctypes.c_void_p, stream: ctypes.c_void_p) -> int:
        refuse("cublasSetStream, which takes the workspace away")
        self.calls.append(("stream", handle.value, stream.value))
        return 0

    def cublasSetWorkspace_v2(
        self, handle: ctypes.c_void_p, memory: ctypes.c_void_p, size: ctypes.c_size_t
    ) -> int:
        self.calls.append(("workspace", handle.value, memory.value, size.value))
        return 0

    def cublasGemmEx(
        self, handle: Any, op_a: int, op_b: int, m: int, n: int, k: int, alpha: Any,
        a: Any, type_a: int, lda: int, b: Any, type_b: int, ldb: int, beta: Any,
        c: Any, type_c: int, ldc: int, compute: int, algorithm: int,
    ) -> int:  # fmt: skip
        """C = alpha op(A) op(B) + beta C, (m, n)."""
        self.calls.append(("gemm", compute))
        if not (type_a == type_b == type_c and (type_a, compute) in ALLOWED and algorithm == -1):
            return INVALID_VALUE
        if lda < max(1, k if op_a else m) or ldb < max(1, n if op_b else k) or ldc < max(1, m):
            return INVALID_VALUE
        A = _columns_first(a, *((k, m) if op_a else (m, k)), lda, type_a)
        B = _columns_first(b, *((n, k) if op_b else (k, n)), ldb, type_a)
        C = _columns_first(c, m, n, ldc, type_a)

        def work() -> None:
            product = alpha._obj.value * ((A.T if op_a else A) @ (B.T if op_b else B))
            C[...] = product if beta._obj.value == 0 else product + beta._obj.value * C  # 0 * NaN counts as 0

        perform(work)
        return 0


def _columns_first(address: ctypes.c_void_p, rows: int, columns: int, leading: int, kind: int) -> np.ndarray:
    """The matrix at an address whose columns lie `leading` elements apart."""
    dtype = np.dtype(TYPES[kind])
    size = (leading * (columns - 1) + rows) * dtype.itemsize
    assert address.value is not None
    memory = np.frombuffer((ctypes.c_char * size).from_address(address.value), dtype)
    return np.lib.stride_tricks.as_strided(
        memory, (rows, columns), (dtype.itemsize, leading * dtype.itemsize)
    )

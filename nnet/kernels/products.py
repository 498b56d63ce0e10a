"""Matrix products of strided views: numpy's matmul on the host, cuBLAS through a thin binding on a device.

CuPy's own matmul copies views, has no beta, takes TF32 from the environment and is refused while a CUDA graph
is captured. This binding passes leading dimensions, adds to what is there, and works in memory of its own.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from nnet.backend import Array, array_module
from nnet.kernels import cblas
from nnet.kernels.launch import on_device

WORKSPACE = 32 << 20  # bytes; what NVIDIA advises for its newest cards
PLAIN, TRANSPOSED = 0, 1  # cublasOperation_t
DEFAULT_ALGORITHM = -1  # cublasGemmAlgo_t
TYPES = {"float32": 0, "float64": 1}  # cudaDataType_t
FULL = {"float32": 68, "float64": 70}  # cublasComputeType_t: CUBLAS_COMPUTE_32F, _64F
TF32 = 77  # CUBLAS_COMPUTE_32F_FAST_TF32


@dataclass(frozen=True)
class Operand:
    """How cuBLAS, which reads columns first, is told of a row-major matrix X: memory, step, and what to do.

    Read columns first, memory whose rows lie `leading` elements apart is X'; `operation` makes X' of it.
    """

    array: Array
    leading: int
    operation: int


def operand(x: Array) -> Operand:
    """x (m, n) for a product; a copy is made only if neither its rows nor its columns are contiguous."""
    (m, n), size = x.shape, x.dtype.itemsize
    down, across = (s // size for s in x.strides)
    if (across == 1 or n == 1) and (m == 1 or down >= n):
        return Operand(x, max(down if m > 1 else n, 1), PLAIN)
    if (down == 1 or m == 1) and (n == 1 or across >= m):
        return Operand(x, max(across if n > 1 else m, 1), TRANSPOSED)
    return Operand(array_module(x).ascontiguousarray(x), n, PLAIN)


def multiply(a: Array, b: Array, out: Array | None = None, *, add: float = 0, exact: bool = False) -> Array:
    """a b, (m, n), for a (m, k) and b (k, n), into `out`, or `add` times a b added to it; no view is copied.

    On a device float32 products are in TF32 if `use_tf32` was called, but not `exact` ones.
    """
    if type(a) is np.ndarray and a.ndim == b.ndim == 2:
        return _on_host(a, b, out, add)
    if not on_device(a) or a.dtype != b.dtype or not len(a) or not b.size:
        if not add:
            return array_module(a).matmul(a, b, out=out)
        assert out is not None
        out += a @ b if add == 1 else add * (a @ b)
        return out
    xp = array_module(a)
    if out is None:
        out = xp.empty((len(a), b.shape[1]), a.dtype)
    there = operand(out)
    if there.array is not out:  # its elements are scattered
        made = multiply(a, b, exact=exact)
        if add:
            out += made if add == 1 else add * made
        else:
            out[...] = made
    elif there.operation == TRANSPOSED:
        _library(xp).gemm(operand(b.T), operand(a.T), there, b.shape[1], len(a), a.shape[1], add, exact)
    else:
        _library(xp).gemm(operand(a), operand(b), there, len(a), b.shape[1], a.shape[1], add, exact)
    return out


def _on_host(a: np.ndarray, b: np.ndarray, out: np.ndarray | None, add: float) -> np.ndarray:
    if out is None and a.dtype == b.dtype:
        out = np.empty((len(a), b.shape[1]), a.dtype)
    if out is not None and cblas.product(a, b, out, add=add):
        return out
    if not add:
        return np.matmul(a, b, out=out)
    assert out is not None
    out += a @ b if add == 1 else add * (a @ b)
    return out


def times(x: Array, W: Array) -> Array:
    """W x at every frame: (T, N, in) -> (T, N, out) by one matrix product."""
    return multiply(x.reshape(-1, x.shape[-1]), W.T).reshape(*x.shape[:-1], len(W))


def use_tf32(cupy: ModuleType, wanted: bool) -> None:
    """Whether float32 products of this process that need not be exact are made with 10 bits of mantissa."""
    _library(cupy).tf32 = wanted


class Cublas:
    """cuBLAS with a handle of our own for each device. `functions` is the library, or what stands for it."""

    def __init__(self, functions: Any, cupy: ModuleType):
        self.functions, self.cupy, self.tf32 = functions, cupy, False
        self._handles: dict[int, tuple[ctypes.c_void_p, Any]] = {}
        self._streams: dict[int, int] = {}

    def gemm(
        self, a: Operand, b: Operand, out: Operand, m: int, n: int, k: int, add: float, exact: bool
    ) -> None:
        """out (m, n) = a b, or += add a b: asked for as out' = b' a', since cuBLAS reads columns first."""
        dtype = out.array.dtype.name
        real = ctypes.c_float if dtype == "float32" else ctypes.c_double
        kind = TF32 if dtype == "float32" and self.tf32 and not exact else FULL[dtype]
        status = self.functions.cublasGemmEx(
            self._handle(),
            *(b.operation, a.operation, n, m, k, ctypes.byref(real(add or 1))),
            *(ctypes.c_void_p(b.array.data.ptr), TYPES[dtype], b.leading),
            *(ctypes.c_void_p(a.array.data.ptr), TYPES[dtype], a.leading, ctypes.byref(real(add != 0))),
            *(ctypes.c_void_p(out.array.data.ptr), TYPES[dtype], out.leading, kind, DEFAULT_ALGORITHM),
        )
        self._check(status, "cublasGemmEx")

    def _handle(self) -> ctypes.c_void_p:
        """The handle of the current device, on the current stream.

        Memory is given anew with every stream, since cublasSetStream takes it away; without memory of its own
        a captured product would share cuBLAS's, and the order of its sums could change between runs.
        """
        device, stream = self.cupy.cuda.Device().id, self.cupy.cuda.get_current_stream().ptr
        if device not in self._handles:
            handle = ctypes.c_void_p()
            self._check(self.functions.cublasCreate_v2(ctypes.byref(handle)), "cublasCreate")
            self._handles[device] = handle, self.cupy.cuda.alloc(WORKSPACE)
        handle, memory = self._handles[device]
        if self._streams.get(device) != stream:
            self._check(self.functions.cublasSetStream_v2(handle, ctypes.c_void_p(stream)), "cublasSetStream")
            room = ctypes.c_void_p(memory.ptr), ctypes.c_size_t(WORKSPACE)
            self._check(self.functions.cublasSetWorkspace_v2(handle, *room), "cublasSetWorkspace")
            self._streams[device] = stream
        return handle

    @staticmethod
    def _check(status: int, function: str) -> None:
        if status:
            raise RuntimeError(f"{function} failed with status {status} (cublasStatus_t)")


@cache
def _library(cupy: ModuleType) -> Cublas:
    return Cublas(load_functions(), cupy)


def load_functions() -> Any:
    """libcublas, found where CuPy finds it. Raises cuda-pathfinder's error, which lists where it looked."""
    from cuda.pathfinder import load_nvidia_dynamic_lib  # noqa: PLC0415 - comes with CuPy

    return ctypes.CDLL(load_nvidia_dynamic_lib("cublas").abs_path)

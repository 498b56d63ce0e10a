"""CUDA kernels from the .cu files beside this file: compiled when first wanted, launched on CuPy's arrays.

Which body of a function runs is decided by the array: kernels take float32 or float64 arrays of a device,
what numpy holds goes through the numpy body. Kernels add no floats atomically: the same input gives the same
bits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from nnet.backend import Array, array_module

FOLDER = Path(__file__).parent
OPTIONS = ("--std=c++17", "--fmad=false")  # without fused products numpy's and the device's masks are equal
REALS = {"float32": "float", "float64": "double"}
THREADS = 256
MOST_BLOCKS = 65535  # along y and z

Launch = Callable[[tuple[int, ...], tuple[int, ...], tuple[Any, ...]], None]


def on_device(x: Array) -> bool:
    """Whether x is a floating array of CuPy's that kernels take."""
    return array_module(x) is not np and x.dtype.name in REALS


def source(name: str) -> str:
    """The text of `name`.cu, what all sources share before it."""
    shared, own = ((FOLDER / f"{n}.cu").read_text() for n in ("common", name))
    return f'{shared}\n#line 1 "{name}.cu"\n{own}'


def options(dtype: Any) -> tuple[str, ...]:
    """What NVRTC is told so that `real` is the C type of `dtype`."""
    return (*OPTIONS, f"-Dreal={REALS[np.dtype(dtype).name]}")


@cache
def _module(cupy: ModuleType, name: str, dtype: str) -> Any:
    return cupy.RawModule(code=source(name), options=options(dtype))


@cache
def _function(cupy: ModuleType, name: str, kernel: str, dtype: str) -> Launch:
    return _module(cupy, name, dtype).get_function(kernel)  # type: ignore[no-any-return]


def kernel(like: Array, name: str, function: str) -> Launch:
    """The kernel `function` of `name`.cu for arrays of the type of `like`; called with grid, block, args."""
    return _function(array_module(like), name, function, like.dtype.name)


def elementwise(like: Array, name: str, function: str, size: int, *arguments: Any) -> None:
    """Launch a kernel whose threads take one of `size` elements each; `size` is its last parameter."""
    if size:
        grid = (-(-size // THREADS),)
        kernel(like, name, function)(grid, (THREADS,), (*arguments, np.int64(size)))


def rows_apart(x: Array) -> tuple[Array, np.int64]:
    """x (T, N, D), and how many elements its rows lie apart; a copy only if they are not evenly spaced."""
    if x.strides[2] != x.dtype.itemsize or x.strides[0] != x.shape[1] * x.strides[1]:
        x = array_module(x).ascontiguousarray(x)
    return x, np.int64(x.strides[1] // x.dtype.itemsize)

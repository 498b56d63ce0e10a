"""Where arrays live: the array decides between numpy and CuPy. The only file that imports cupy."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

Array = Any  # numpy.ndarray or cupy.ndarray; cupy ships no types


def _import_cupy() -> ModuleType | None:
    try:
        import cupy  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    return cupy  # type: ignore[no-any-return]


def array_module(x: Array) -> ModuleType:
    """The module (numpy or cupy) whose functions take `x`."""
    if type(x) is np.ndarray:
        return np
    module = type(x).__module__.partition(".")[0]
    if module == "cupy":
        cupy = _import_cupy()
        assert cupy is not None
        return cupy
    return np


def to_host(x: Array) -> np.ndarray:
    """`x` as a numpy array; a copy only if it lies on a device."""
    return x.get() if array_module(x) is not np else x


def like(x: np.ndarray, exemplar: Array) -> Array:
    """The host array `x` where `exemplar` lives, in the exemplar's float type if `x` is floating."""
    xp = array_module(exemplar)
    dtype = exemplar.dtype if np.issubdtype(x.dtype, np.floating) else x.dtype
    return xp.asarray(x, dtype=dtype)


def either(good: Any, x: Any, y: Any) -> Any:
    """The number x if `good`, else y; if `good` lies on a device, so does the answer, and nobody waits."""
    xp = array_module(good)
    return (x if good else y) if xp is np else xp.where(good, x, y)


def zero_unless(good: Any, x: Array) -> None:
    """x[...] = 0 unless `good`, in place; on a device without asking it."""
    if array_module(x) is not np:
        x[...] = array_module(x).where(good, x, 0)
    elif not good:
        x[...] = 0


def has_cupy() -> bool:
    """Whether CuPy can be imported; there need not be a device."""
    return _import_cupy() is not None


def gpu_available() -> bool:
    """Whether CuPy is installed and can compute on a device now; one in exclusive mode may be busy.

    Takes the device for this process, as Kaldi's test does.
    """
    cupy = _import_cupy()
    if cupy is None or not cupy.is_available():
        return False
    try:
        cupy.cuda.runtime.free(0)  # makes the context
    except cupy.cuda.runtime.CUDARuntimeError:
        return False
    return True


def gpu_count() -> int:
    """The number of CUDA devices that CuPy sees; 0 without CuPy."""
    cupy = _import_cupy()
    if cupy is None:
        return 0
    try:
        return int(cupy.cuda.runtime.getDeviceCount())
    except cupy.cuda.runtime.CUDARuntimeError:  # no driver
        return 0


def page_locked(size: int) -> np.ndarray:
    """`size` bytes of the host that a device copies from by itself. Raises RuntimeError without CuPy."""
    if _import_cupy() is None:
        raise RuntimeError("page-locked memory needs CuPy, which is not installed")
    import cupyx  # noqa: PLC0415 - comes with CuPy

    return cupyx.empty_pinned(size, np.uint8)  # type: ignore[no-any-return]


def to_device(x: np.ndarray) -> Array:
    """`x` copied to the current CUDA device. Raises RuntimeError if there is none."""
    cupy = _import_cupy()
    if cupy is None or not cupy.is_available():
        raise RuntimeError("no GPU can be used: CuPy is not installed or sees no CUDA device")
    return cupy.asarray(x)

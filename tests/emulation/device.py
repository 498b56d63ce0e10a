"""A module with CuPy's interface whose device memory is numpy's; transfers to and from it are counted."""

from __future__ import annotations

import inspect
from collections import Counter
from contextlib import nullcontext
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from tests.emulation import streams
from tests.emulation.compiler import Module
from tests.emulation.streams import made, perform, refuse

transfers: Counter[str] = Counter()  # "to host", "to device", "launches"
# CuPy gives these to cuBLAS, or sends them a list of addresses: neither works during capture
NOT_IN_GRAPHS = {
    *("matmul", "dot", "vdot", "inner", "outer", "einsum", "tensordot", "concatenate", "stack", "hstack"),
    *("vstack", "column_stack", "block", "append", "tile", "repeat", "reduceat"),
}
OPERATORS = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift lt le gt ge eq ne"


class ndarray:
    """An array on the device: numpy refuses it, it refuses numpy's arrays, and leaving it is counted."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, host: np.ndarray):
        self.host = host

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.__dict__["host"], name)
        return _method(value) if callable(value) else wrap(value) if isinstance(value, np.ndarray) else value

    @property
    def data(self) -> SimpleNamespace:
        return SimpleNamespace(ptr=self.host.ctypes.data)

    def set(self, host: np.ndarray, stream: Any = None) -> None:
        """A copy from the host, on `stream`."""
        refuse("a copy from the host")
        assert host.shape == self.host.shape and host.dtype == self.host.dtype
        transfers["to device"] += 1
        (stream or streams.State.stream).copy(self.host, host)

    def get(self) -> np.ndarray:
        refuse("a copy to the host")
        transfers["to host"] += 1
        return self.host.copy()

    def item(self) -> Any:
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def __float__(self) -> float:
        return float(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __bool__(self) -> bool:
        return bool(self.get())

    def __index__(self) -> int:
        return self.get().__index__()

    def __array__(self, *args: Any, **options: Any) -> np.ndarray:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return _call(getattr(ufunc, method), *inputs, **options)

    def __len__(self) -> int:
        return len(self.host)

    def __iter__(self) -> Any:
        return (wrap(part) for part in self.host)

    def __getitem__(self, key: Any) -> Any:
        at = _index(key, reading=True)
        return _result(lambda: self.host[at], (self,))

    def __setitem__(self, key: Any, value: Any) -> None:
        at, given = _index(key), unwrap(value)
        perform(lambda: self.host.__setitem__(at, given))

    def __neg__(self) -> Any:
        return _result(lambda: -self.host)

    def __invert__(self) -> Any:
        return _result(lambda: ~self.host)

    def __abs__(self) -> Any:
        return _result(lambda: abs(self.host))


ndarray.__module__ = "cupy"


def _operator(name: str) -> None:
    def plain(self: ndarray, other: Any) -> Any:
        return _between(f"__{name}__", self, other)

    def reflected(self: ndarray, other: Any) -> Any:
        return _between(f"__r{name}__", self, other)

    def in_place(self: ndarray, other: Any) -> Any:
        given = unwrap(other)
        perform(lambda: getattr(self.host, f"__i{name}__")(given))
        return self

    setattr(ndarray, f"__{name}__", plain)
    if hasattr(np.ndarray, f"__r{name}__"):
        setattr(ndarray, f"__r{name}__", reflected)
        setattr(ndarray, f"__i{name}__", in_place)


def _between(name: str, a: ndarray, b: Any) -> Any:
    if "matmul" in name:
        refuse(name)
    given = unwrap(b)
    with np.errstate(all="ignore") if streams.capturing() else nullcontext():
        value = getattr(a.host, name)(given)
    return value if value is NotImplemented else _result(lambda: getattr(a.host, name)(given), value=value)


def _result(call: Any, of: tuple = (), value: Any = None) -> Any:
    """What `call` gives: views of the arrays `of` at once, all else when the graph is launched."""
    if not streams.capturing():
        return wrap(call() if value is None else value)
    with np.errstate(all="ignore"):
        value = call() if value is None else value
    if isinstance(value, tuple):
        return tuple(wrap(made(lambda i=i: call()[i])) for i in range(len(value)))
    if not isinstance(value, (np.ndarray, np.generic)):
        return value
    if any(isinstance(value, np.ndarray) and np.may_share_memory(value, a.host) for a in of):
        return wrap(value)
    return wrap(made(call))


for _name in OPERATORS.split():
    _operator(_name)


def wrap(value: Any) -> Any:
    """What numpy gives, as the device gives it: scalars stay on the device."""
    if isinstance(value, (np.ndarray, np.generic)):
        return ndarray(np.asarray(value))
    if isinstance(value, tuple):
        parts = [wrap(v) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return [wrap(v) for v in value] if isinstance(value, list) else value


def unwrap(value: Any) -> Any:
    """Arguments for numpy. Raises TypeError for an array that is not on the device."""
    if isinstance(value, ndarray):
        return value.host
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    if isinstance(value, (tuple, list)):
        return type(value)(unwrap(v) for v in value)
    return value


def _index(key: Any, reading: bool = False) -> Any:
    if isinstance(key, tuple):
        return tuple(_index(k, reading) for k in key)
    if isinstance(key, ndarray):
        if key.dtype == bool and reading:
            refuse("a result of unknown size")
            transfers["to host"] += 1  # the size of the result
        return key.host
    if isinstance(key, (list, np.ndarray)):
        refuse("an index of the host")
        transfers["to device"] += 1
    return key


def _call(function: Any, *args: Any, **options: Any) -> Any:
    out, name = options.get("out"), getattr(function, "__name__", "")
    if name in NOT_IN_GRAPHS:
        refuse(name)
    given, how = [unwrap(a) for a in args], {k: unwrap(v) for k, v in options.items()}

    def call() -> Any:
        return function(*given, **how)

    if out is not None or name in ("fill", "copyto"):
        perform(call)
        return out[0] if isinstance(out, tuple) else out
    if name in ("empty", "empty_like"):
        return wrap(made(call, filled=False))
    of = tuple(a for a in args if isinstance(a, ndarray))
    bound = getattr(function, "__self__", None)
    return _result(call, (*of, ndarray(bound)) if isinstance(bound, np.ndarray) else of)


def _method(function: Any) -> Any:
    return lambda *args, **options: _call(function, *args, **options)


def asarray(x: Any, dtype: Any = None) -> ndarray:
    """`x` on the device; uploads are counted."""
    if isinstance(x, ndarray):
        return _result(lambda: np.asarray(x.host, dtype), (x,))
    refuse("a copy from the host")
    transfers["to device"] += 1
    return ndarray(np.array(x, dtype))


class RawModule:
    """CUDA source, compiled for the CPU when a kernel is asked for."""

    def __init__(self, *, code: str, options: tuple[str, ...] = ()):
        self._module = Module(code, options)

    def get_function(self, name: str) -> Any:
        kernel = self._module.get_function(name)

        def launch(grid: tuple, block: tuple, args: tuple) -> None:
            transfers["launches"] += 1
            perform(kernel.bound(grid, block, args))

        return launch


class _Ufunc:
    """One of numpy's ufuncs on the device's arrays."""

    def __init__(self, ufunc: np.ufunc):
        self._ufunc = ufunc

    def __call__(self, *args: Any, **options: Any) -> Any:
        return _call(self._ufunc, *args, **options)

    def __getattr__(self, name: str) -> Any:
        return _method(getattr(self._ufunc, name))


class _Mirror(ModuleType):
    """numpy's functions on the device's arrays."""

    def __init__(self, name: str, numpy: Any):
        super().__init__(name)
        self._numpy = numpy

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._numpy, name)
        if inspect.ismodule(value):
            return _Mirror(name, value)
        if inspect.isclass(value) or not callable(value):
            return value
        return _Ufunc(value) if isinstance(value, np.ufunc) else _method(value)


class _Device(nullcontext):
    """The only one there is."""

    id = 0


def module() -> ModuleType:
    """A new module `cupy`."""
    cupy = _Mirror("cupy", np)
    cupy.ndarray, cupy.asarray, cupy.array, cupy.RawModule = ndarray, asarray, asarray, RawModule
    cupy.is_available = lambda: True
    runtime = SimpleNamespace(getDeviceCount=lambda: 1, CUDARuntimeError=RuntimeError, free=lambda p: None)
    runtime.getDeviceProperties = lambda number: {"name": b"emulated"}
    runtime.driverGetVersion = runtime.runtimeGetVersion = lambda: 12080
    cupy.cuda = SimpleNamespace(runtime=runtime)
    cupy.cuda.Device = _Device
    cupy.cuda.get_current_stream = lambda: streams.State.stream
    cupy.cuda.Stream, cupy.cuda.Event = streams.Stream, streams.Event
    cupy.cuda.MemoryPool, cupy.cuda.using_allocator = streams.MemoryPool, streams.using_allocator
    cupy.cuda.alloc = lambda size: SimpleNamespace(ptr=4096, size=size)
    return cupy


def extras() -> ModuleType:
    """A new module `cupyx`."""
    cupyx = ModuleType("cupyx")

    def scatter_add(out: ndarray, rows: Any, x: ndarray) -> None:
        np.add.at(out.host, _index(rows), x.host)

    cupyx.scatter_add = scatter_add
    cupyx.empty_pinned = lambda shape, dtype: np.full(shape, 113, dtype)
    return cupyx

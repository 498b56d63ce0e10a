"""Where arrays live. A made-up cupy, numpy's arrays in a box, shows what a device would be asked."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nnet import backend, tree
from nnet.component import params
from tests.networks import network


class DeviceArray:
    """An array of numpy's that says it is cupy's; methods give such arrays again."""

    def __init__(self, host: np.ndarray):
        self.host = np.array(host)

    def get(self) -> np.ndarray:
        """The host's copy."""
        return self.host.copy()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.__dict__["host"], name)
        return (lambda *a, **options: DeviceArray(value(*a, **options))) if callable(value) else value


DeviceArray.__module__ = "cupy"


@pytest.fixture
def cupy(monkeypatch) -> ModuleType:
    """A module `cupy` of which one device can be used."""
    module = ModuleType("cupy")
    module.is_available = lambda: True
    module.asarray = lambda x, dtype=None: DeviceArray(np.array(x, dtype))
    runtime = SimpleNamespace(getDeviceCount=lambda: 2, CUDARuntimeError=RuntimeError, free=lambda p: None)
    module.cuda = SimpleNamespace(runtime=runtime)
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module


@pytest.fixture
def no_cupy(monkeypatch) -> None:
    """CuPy cannot be imported."""
    monkeypatch.setitem(sys.modules, "cupy", None)


def test_the_array_decides(cupy):
    host = np.zeros(3, np.float32)
    device = backend.to_device(host)
    assert backend.array_module(host) is np and backend.array_module(device) is cupy
    assert backend.to_host(host) is host and type(backend.to_host(device)) is np.ndarray


def test_arrays_follow_an_exemplar_in_place_and_type(cupy):
    device = backend.to_device(np.zeros(3, np.float32))
    floats, integers = np.arange(3.0), np.arange(3)
    assert isinstance(backend.like(floats, device), DeviceArray)
    assert backend.like(floats, device).dtype == np.float32
    assert backend.like(integers, device).dtype == integers.dtype
    assert type(backend.like(floats, np.zeros(1))) is np.ndarray


def test_a_device_is_used_only_if_it_can_be(cupy, monkeypatch):
    assert backend.has_cupy() and backend.gpu_available() and backend.gpu_count() == 2
    monkeypatch.setattr(cupy, "is_available", lambda: False)
    assert not backend.gpu_available()
    with pytest.raises(
        RuntimeError, match="no GPU can be used: CuPy is not installed or sees no CUDA device"
    ):
        backend.to_device(np.zeros(1))


def test_a_device_that_another_process_has_to_itself_is_not_available(cupy, monkeypatch):
    def busy(pointer: int) -> None:
        raise RuntimeError("cudaErrorDevicesUnavailable")

    monkeypatch.setattr(cupy.cuda.runtime, "free", busy)
    assert not backend.gpu_available() and backend.gpu_count() == 2


def test_a_missing_driver_counts_no_devices(cupy, monkeypatch):
    def no_driver() -> int:
        raise RuntimeError("no driver")

    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceCount", no_driver)
    assert backend.gpu_count() == 0


def test_without_cupy_there_is_no_device(no_cupy):
    assert not backend.has_cupy() and not backend.gpu_available() and backend.gpu_count() == 0
    with pytest.raises(RuntimeError, match="no GPU can be used"):
        backend.to_device(np.zeros(1))


def test_a_model_goes_to_the_device_and_back_unchanged(cupy):
    nnet = network()
    there = {name: tree.on_device(c) for name, c in nnet.components.items()}
    assert all(isinstance(a, DeviceArray) for c in there.values() for a in params(c).values())
    back = {name: tree.on_host(c) for name, c in there.items()}
    for name, c in nnet.components.items():
        for key, value in params(c).items():
            mine = params(back[name])[key]
            assert type(mine) is np.ndarray and np.array_equal(mine, value) and mine is not value

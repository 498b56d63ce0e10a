"""The device of `tests.emulation` as a fixture."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from nnet.kernels import products
from tests.emulation import device, streams
from tests.emulation.compiler import COMPILER
from tests.emulation.cublas import Cublas


@pytest.fixture
def emulated(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module `cupy` whose device is emulated; `tests.emulation.device.transfers` counts from zero."""
    if COMPILER is None:
        pytest.skip("needs g++, which compiles the CUDA sources for the CPU")
    module = device.module()
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setitem(sys.modules, "cupyx", device.extras())
    monkeypatch.setattr(products, "load_functions", Cublas)
    device.transfers.clear()
    streams.State.stream, streams.State.pool, streams.State.recorded = streams.NULL, None, None
    yield module

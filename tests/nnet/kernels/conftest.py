"""Kernels run with the threads in one order, then in the other; on the host by numpy, then compiled."""

import pytest

from nnet.kernels import compiled
from tests.emulation.compiler import Kernel


@pytest.fixture(params=["first thread first", "last thread first"])
def device(request, emulated, monkeypatch):
    """The emulated device; what depends on the order in which threads run fails in one of two."""
    monkeypatch.setattr(Kernel, "backwards", request.param != "first thread first")
    return emulated


@pytest.fixture(params=["numpy", "compiled"])
def host(request, monkeypatch):
    """Which body serves arrays of numpy's."""
    if request.param == "numpy":
        monkeypatch.setattr(compiled, "_library", lambda dtype: None)
    elif compiled.function("standardise", "f") is None:
        pytest.skip("nothing was compiled when the package was installed, or of other sources")
    compiled.function.cache_clear()
    yield request.param
    compiled.function.cache_clear()

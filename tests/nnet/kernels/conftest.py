"""Kernels run with the threads in one order, then in the other."""

import pytest

from tests.emulation.compiler import Kernel


@pytest.fixture(params=["first thread first", "last thread first"])
def device(request, emulated, monkeypatch):
    """The emulated device; what depends on the order in which threads run fails in one of two."""
    monkeypatch.setattr(Kernel, "backwards", request.param != "first thread first")
    return emulated

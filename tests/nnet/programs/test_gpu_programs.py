"""cuda-compiled and cuda-gpu-available."""

from __future__ import annotations

import importlib.util

import pytest

import nnet.backend
from nnet.programs import cuda_gpu_available
from tests.nnet.programs.workshop import log_lines, run, without

NOT_INSTALLED = importlib.util.find_spec("cupy") is None


def test_without_cupy_there_is_no_gpu(monkeypatch, capsys):
    without(monkeypatch, "cupy")
    assert run("cuda-compiled") == 1
    assert capsys.readouterr().err == ""
    assert run("cuda-gpu-available") == 1
    assert "CuPy is not installed" in capsys.readouterr().err


def test_cuda_compiled_tells_whether_cupy_is_installed(capsys):
    assert run("cuda-compiled --help") == (1 if NOT_INSTALLED else 0)
    assert "Exit with status 0 if CuPy is installed" in capsys.readouterr().err


@pytest.fixture
def host_as_device(monkeypatch):
    """The program believes in a GPU; its arrays lie on the host."""
    monkeypatch.setattr(cuda_gpu_available, "has_cupy", lambda: True)
    monkeypatch.setattr(cuda_gpu_available, "gpu_available", lambda: True)
    monkeypatch.setattr(cuda_gpu_available, "to_device", lambda x: x.copy())
    return monkeypatch


def test_a_gpu_that_computes_rightly_is_available(host_as_device, capsys):
    assert run("cuda-gpu-available") == 0
    assert log_lines(capsys.readouterr().err)[-1] == "### Test OK!"


def test_a_gpu_that_is_not_there_computes_wrongly_or_fails_is_not_available(host_as_device, capsys):
    def broken(x):
        raise RuntimeError("cudaErrorInsufficientDriver\nmore")

    host_as_device.setattr(cuda_gpu_available, "to_device", broken)
    assert run("cuda-gpu-available") == 1
    host_as_device.setattr(cuda_gpu_available, "to_device", lambda x: x * 1.01)
    assert run("cuda-gpu-available") == 1
    host_as_device.setattr(cuda_gpu_available, "gpu_available", lambda: False)
    assert run("cuda-gpu-available") == 1
    text = capsys.readouterr().err
    assert "the GPU cannot compute: cudaErrorInsufficientDriver more" in text
    assert "the GPU computes wrongly" in text and "CuPy sees no GPU" in text


def test_the_real_gpu_computes(capsys):
    if not nnet.backend.gpu_available():
        pytest.skip("needs CuPy and a GPU")
    assert run("cuda-gpu-available") == 0

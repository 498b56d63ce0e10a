"""CUDA sources compile for the cards that are in use, with the compiler that CuPy calls, without a card."""

import ctypes
import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from nnet.kernels.launch import FOLDER, options, source

SOURCES = sorted(p.stem for p in FOLDER.glob("*.cu") if p.stem != "common")


@pytest.fixture(scope="module")
def nvrtc():
    """NVIDIA's run-time compiler, from the wheel nvidia-cuda-nvrtc-cu12."""
    found = importlib.util.find_spec("nvidia.cuda_nvrtc") if importlib.util.find_spec("nvidia") else None
    folders = list(found.submodule_search_locations) if found else []
    paths = [p for f in folders for p in Path(f, "lib").glob("libnvrtc.so*") if ".alt." not in p.name]
    if not paths:
        pytest.skip("needs NVRTC: the wheel nvidia-cuda-nvrtc-cu12, which the extra dev has")
    return ctypes.CDLL(os.fspath(paths[0]))


def compiled(nvrtc, code: str, arguments: tuple[str, ...]) -> tuple[int, str]:
    """NVRTC's status and log."""
    program = ctypes.c_void_p()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), code.encode(), b"kernels.cu", 0, None, None) == 0
    words = (ctypes.c_char_p * len(arguments))(*(a.encode() for a in arguments))
    status = nvrtc.nvrtcCompileProgram(program, len(arguments), words)
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, text)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return status, text.value.decode()


@pytest.mark.parametrize("card", ["sm_80", "sm_90"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SOURCES)
def test_a_source_compiles_without_a_warning(nvrtc, name, dtype, card):
    status, log = compiled(nvrtc, source(name), (*options(dtype), f"--gpu-architecture={card}"))
    assert status == 0 and not log, log


def test_a_mistake_is_found_with_its_place(nvrtc):
    code = source("masks") + "\n__global__ void wrong() { undeclared = 1; }\n"
    status, log = compiled(nvrtc, code, (*options(np.float32), "--gpu-architecture=sm_80"))
    assert status != 0 and "masks.cu" in log and "undeclared" in log

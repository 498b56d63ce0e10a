"""cuda-gpu-available: exit status 0 if there is a GPU and it computes, else 1."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnet.backend import array_module, gpu_available, has_cupy, to_device, to_host
from nnet.programs.program import log, run_program, warn

PROG = "cuda-gpu-available"
USAGE = """
Test whether there is a GPU that can be used: a small computation (softmax of the rows of a random matrix)
is done on it and compared with the CPU. Exit status 0 if that works, 1 otherwise.

Usage:  cuda-gpu-available
"""


@dataclass
class Options:
    """cuda-gpu-available has no options of its own."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run cuda-gpu-available."""
    return run_program(USAGE, Options, run, (0, 0), argv)


def run(options: Options) -> int:
    """Try the GPU; the status is the answer."""
    log(PROG, f"### IS CUDA GPU AVAILABLE? '{socket.gethostname()}' ###")
    if not has_cupy():
        warn(PROG, "CuPy is not installed: pip install -e '.[cuda12]' (or cuda13)")
        return 1
    if not gpu_available():
        warn(PROG, "CuPy sees no GPU: check nvidia-smi, CUDA_VISIBLE_DEVICES and that the driver fits")
        return 1
    try:
        difference = computation_error()
    except Exception as error:  # whatever CuPy, the driver or the compiler raises is the answer
        warn(PROG, f"the GPU cannot compute: {' '.join(str(error).split())}")
        return 1
    if not difference < 1e-5:
        warn(PROG, f"the GPU computes wrongly: softmax of a random matrix is off by {difference:g}")
        return 1
    log(PROG, "### Test OK!")
    return 0


def computation_error() -> float:
    """The largest difference between softmax on the GPU and on the CPU."""
    x = np.random.default_rng(0).standard_normal((100, 100), dtype=np.float32)
    return float(np.abs(to_host(softmax(to_device(x))) - softmax(x)).max())


def softmax(x: np.ndarray) -> np.ndarray:
    """exp x / sum exp x per row, where `x` lives."""
    y = array_module(x).exp(x - x.max(axis=1, keepdims=True))
    return y / y.sum(axis=1, keepdims=True)


if __name__ == "__main__":
    raise SystemExit(main())

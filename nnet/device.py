"""Which device a job computes on: Kaldi's --use-gpu=yes|no|optional|wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from nnet.backend import array_module, gpu_available, gpu_count, to_device
from nnet.kernels.products import use_tf32
from nnet.minibatch import DenseTarget, Minibatch

CHOICES = ("yes", "no", "optional", "wait", "true", "false")
SECONDS_BETWEEN_TRIES = 5.0


def select_gpu(use_gpu: str, log: Callable[[str], None], sleep: Callable[[float], None] = time.sleep) -> bool:
    """Whether to compute on the GPU. Raises ValueError for another word, for `yes` without a usable device,
    and for `wait` without any device.

    `optional` takes a GPU if one can be used; `wait` tries again every five seconds while those that exist
    are busy (in exclusive mode). So Kaldi's CuDevice::SelectGpuId.
    """
    if use_gpu not in CHOICES:
        raise ValueError(f"--use-gpu={use_gpu}: expected one of {', '.join(CHOICES[:4])}")
    if use_gpu in ("no", "false"):
        return False
    if gpu_available():
        return True
    if use_gpu == "optional":
        return False
    devices = gpu_count()
    if use_gpu == "wait" and devices > 0:
        log(f"None of {devices} GPUs can be used yet; waiting for one (--use-gpu=no computes on the CPU)")
        while not gpu_available():
            sleep(SECONDS_BETWEEN_TRIES)
        return True
    raise ValueError(
        f"--use-gpu={use_gpu}, but no GPU can be used: install the extra cuda12 or cuda13, check the driver, "
        "or give --use-gpu=optional or --use-gpu=no"
    )


def allow_tf32(wanted: bool) -> None:
    """Whether matrix products of this process on its GPU may be in TF32. Natural gradient's small ones never
    are.
    """
    use_tf32(array_module(to_device(np.zeros(1, np.float32))), wanted)


def batch_on_gpu(batch: Minibatch) -> Minibatch:
    """The minibatch with its arrays on the current CUDA device; lists of labels stay, they are indexes."""
    inputs = {name: (frames, to_device(x)) for name, (frames, x) in batch.inputs.items()}
    outputs = {
        name: replace(t, values=to_device(t.values)) if isinstance(t, DenseTarget) else t
        for name, t in batch.outputs.items()
    }
    return Minibatch(batch.n, inputs, outputs)

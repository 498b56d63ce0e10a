"""Which device a job computes on: Kaldi's --use-gpu=yes|no|optional|wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from nnet.backend import Array, array_module, gpu_available, gpu_count, to_device
from nnet.kernels.products import use_tf32
from nnet.minibatch import ChainTarget, DenseTarget, Minibatch, SparseTarget, Target

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


@contextmanager
def own_stream() -> Iterator[None]:
    """A stream of one's own on the current CUDA device, which graphs can be captured on; waited for at the
    end.
    """
    cuda = array_module(to_device(np.zeros(1, np.float32))).cuda
    cuda.get_current_stream().synchronize()  # what is there was put there on another stream
    with cuda.Stream(non_blocking=True) as stream:
        yield
        stream.synchronize()


def batch_on_gpu(batch: Minibatch) -> Minibatch:
    """The minibatch with its arrays on the current CUDA device; LF-MMI's supervision stays on the host."""
    return with_arrays(batch, to_device)


def with_arrays(batch: Minibatch, f: Callable[[Array], Array]) -> Minibatch:
    """The minibatch with f(a) for each array a that a device computes with, always in the same order."""
    inputs = {name: (frames, f(x)) for name, (frames, x) in batch.inputs.items()}
    return Minibatch(batch.n, inputs, {name: _with_arrays(t, f) for name, t in batch.outputs.items()})


def _with_arrays(target: Target | ChainTarget, f: Callable[[Array], Array]) -> Target | ChainTarget:
    if isinstance(target, SparseTarget):
        order = np.lexsort((target.n, target.t))  # in which a kernel looks for the labels of its row
        names = ("t", "n", "column", "weight")
        return replace(target, **{name: f(getattr(target, name)[order]) for name in names})
    return replace(target, values=f(target.values)) if isinstance(target, DenseTarget) else target

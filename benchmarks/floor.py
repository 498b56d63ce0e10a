"""The least that something can take: operations of matrix products at the rate sgemm reaches here, bytes at
the rate of a copy.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks.step_job import Network
from nnet.component import params
from nnet.graph.context import context
from nnet.graph.network import Nnet
from nnet.graph.node import ComponentNode
from nnet.graph.plan import Request, make_plan


def sgemm_rate(size: int = 1024, seconds: float = 0.5) -> float:
    """Operations a second of a float32 product of two square matrices, the best of several."""
    a = np.ones((size, size), np.float32)
    best, end = float("inf"), time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.monotonic()
        a @ a
        best = min(best, time.monotonic() - start)
    return 2.0 * size**3 / best


def rate_of_a_program() -> float:
    """`sgemm_rate` of a new process, which has the BLAS threads that the environment now says."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.floor"], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def copy_rate(size: int = 1 << 26, repeats: int = 8) -> float:
    """Bytes a second that a copy in memory moves, each byte counted once, the best of several."""
    a, b = np.ones(size, np.uint8), np.empty(size, np.uint8)
    best = float("inf")
    for _ in range(repeats):
        start = time.monotonic()
        np.copyto(b, a)
        best = min(best, time.monotonic() - start)
    return size / best


def forward_products(nnet: Nnet, frames: int) -> float:
    """Operations of the forward pass for a chunk of output frames of one utterance."""
    left, right = context(nnet)
    return _operations(nnet, range(-left, frames + right), frames, 1, lambda name: 1)


def products(nnet: Nnet, network: Network) -> float:
    """Operations of forward, weight derivative and input derivative of all weight matrices in one minibatch.

    The input derivative is not counted for components that read inputs of the network only.
    """
    left, right = context(nnet)
    inputs = set(nnet.input_names())
    return _operations(
        nnet,
        range(-left - network.extra_left, network.frames + right),
        network.frames,
        network.sequences,
        lambda name: 2 if set(nnet.sources(name)) <= inputs else 3,
    )


def _operations(nnet: Nnet, given: range, frames: int, sequences: int, passes: Callable[[str], int]) -> float:
    """Operations of all weight matrices, each `passes(node)` times; `given` are the frames of the input."""
    inputs = {"input": given}
    if "ivector" in nnet.input_names():
        inputs["ivector"] = range(1)
    plan = make_plan(nnet, Request(inputs, {"output": range(frames)}))
    total = 0.0
    for name, node in nnet.nodes.items():
        if isinstance(node, ComponentNode):
            rows = len(plan.frames.get(name, ())) * sequences
            sizes = [a.size for a in params(nnet.components[node.component]).values() if a.ndim == 2]
            total += 2.0 * rows * sum(sizes) * passes(name)
    return total


if __name__ == "__main__":
    print(sgemm_rate())

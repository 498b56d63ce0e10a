"""The least a training step can take: the operations of its matrix products at the rate sgemm reaches
here.
"""

from __future__ import annotations

import time

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


def products(nnet: Nnet, network: Network) -> float:
    """Operations of forward, weight derivative and input derivative of all weight matrices in one minibatch.

    The input derivative is not counted for components that read inputs of the network only.
    """
    left, right = context(nnet)
    inputs = {"input": range(-left - network.extra_left, network.frames + right)}
    if "ivector" in nnet.input_names():
        inputs["ivector"] = range(1)
    plan = make_plan(nnet, Request(inputs, {"output": range(network.frames)}))
    total = 0.0
    for name, node in nnet.nodes.items():
        if isinstance(node, ComponentNode):
            first = set(nnet.sources(name)) <= set(nnet.input_names())
            rows = len(plan.frames.get(name, ())) * network.sequences
            sizes = [a.size for a in params(nnet.components[node.component]).values() if a.ndim == 2]
            total += 2.0 * rows * sum(sizes) * (2 if first else 3)
    return total

"""A network with a plan and random inputs, to be compared with differences."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from nnet import tree
from nnet.component import params
from nnet.graph.network import Nnet
from nnet.graph.node import ComponentNode
from nnet.graph.plan import Request, make_plan
from nnet.graph.run import backward, forward
from tests.checks import STEP, agree

Frames = Mapping[str, Sequence[int]]


class Trial:
    """A network in float64 with a plan and random inputs."""

    def __init__(self, nnet: Nnet, frames_in: Frames, frames_out: Sequence[int], n: int = 2, seed: int = 5):
        rng = np.random.default_rng(seed)
        self.nnet = nnet
        self.nnet.components = {k: tree.astype(c, np.float64) for k, c in self.nnet.components.items()}
        self.plan = make_plan(self.nnet, Request(frames_in, {"output": frames_out}))
        self.inputs = {k: rng.standard_normal((len(f), n, self.nnet.dim(k))) for k, f in frames_in.items()}
        self.w = rng.standard_normal((len(frames_out), n, self.nnet.dim("output")))
        self.rng = rng

    def objective(self) -> float:
        return float((self.w * forward(self.nnet, self.plan, self.inputs).output()).sum())

    def difference(self, a: np.ndarray, d: np.ndarray) -> float:
        """The derivative of the objective when the array `a`, wherever it is used, moves along d."""
        kept, values = a.copy(), []
        for sign in (1, -1):
            a[...] = kept + sign * STEP * d
            values.append(self.objective())
        a[...] = kept
        return (values[0] - values[1]) / (2 * STEP)

    def backward(self, want: Collection[str] = ()):
        acts = forward(self.nnet, self.plan, self.inputs)
        delta = tree.zeros_like(self.nnet.components)
        for _, c in tree.updatable(delta):
            c.learning_rate, c.is_gradient = 1.0, True
        return backward(self.nnet, self.plan, acts, {"output": self.w}, delta, want), delta

    def check_input(self, name: str, tolerance: float = 1e-5) -> None:
        """The derivative by an input, along a random direction, against differences."""
        dx = self.backward(want=(name,))[0][name]
        d = direction(dx, self.rng)
        agree(name, float((dx * d).sum()), self.difference(self.inputs[name], d), tolerance)

    def check_parameters(self, tolerance: float = 1e-5) -> int:
        """The change of every parameter array that takes part, likewise. Returns how many there are."""
        _, delta = self.backward()
        used = {
            node.component
            for name, node in self.nnet.nodes.items()
            if name in self.plan.frames and isinstance(node, ComponentNode)
        }
        arrays = [
            (f"{c}.{key}", a, getattr(delta[c], key))
            for c in sorted(used)
            for key, a in params(self.nnet.components[c]).items()
        ]
        for name, a, change in arrays:
            d = direction(change, self.rng)
            agree(name, float((change * d).sum()), self.difference(a, d), tolerance)
        return len(arrays)


def direction(g: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random direction that is not by chance at a right angle to g, where only rounding would be
    compared.
    """
    d = rng.standard_normal(g.shape)
    size = np.linalg.norm(g)
    return d + g * (np.linalg.norm(d) / size) if size else d

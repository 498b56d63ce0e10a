"""Small networks and minibatches for tests of training."""

from __future__ import annotations

import numpy as np

from nnet.factory import make_component
from nnet.graph.network import Nnet
from nnet.minibatch import ChainTarget, DenseTarget, Minibatch, SparseTarget
from tests.nnet.objectives.graphs import random_supervision

TDNN = """
input-node name=input dim=5
component name=h1.affine type=NaturalGradientAffineComponent input-dim=15 output-dim=12 l2-regularize=0.03 max-change=0.75
component-node name=h1.affine component=h1.affine input=Append(Offset(input, -1), input, Offset(input, 1))
component name=h1.relu type=RectifiedLinearComponent dim=12 self-repair-scale=1e-05
component-node name=h1.relu component=h1.relu input=h1.affine
component name=h1.batchnorm type=BatchNormComponent dim=12
component-node name=h1.batchnorm component=h1.batchnorm input=h1.relu
component name=h1.dropout type=GeneralDropoutComponent dim=12 dropout-proportion=0.2 continuous=true
component-node name=h1.dropout component=h1.dropout input=h1.batchnorm
component name=h2 type=LinearComponent input-dim=12 output-dim=6 l2-regularize=0.01 orthonormal-constraint=-1
component-node name=h2 component=h2 input=h1.dropout
component name=scale type=NaturalGradientPerElementScaleComponent dim=6 l2-regularize=0.02
component-node name=scale component=scale input=h2
component name=output.affine type=NaturalGradientAffineComponent input-dim=6 output-dim=4 l2-regularize=0.005
component-node name=output.affine component=output.affine input=scale
component name=output.log-softmax type=LogSoftmaxComponent dim=4
component-node name=output.log-softmax component=output.log-softmax input=output.affine
output-node name=output input=output.log-softmax objective=linear
"""  # noqa: E501 - config lines are as long as they are


def network(text: str = TDNN, seed: int = 0) -> Nnet:
    """The network of config lines."""
    return Nnet.from_config(text.strip().splitlines(), make_component, rng=np.random.default_rng(seed))


def minibatch(
    n: int = 8, frames: int = 3, dim: int = 5, classes: int = 4, seed: int = 0, weight: float = 1.0
) -> Minibatch:
    """Random features with one frame of context on each side; the class is the sign pattern of two
    features.
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((frames + 2, n, dim)).astype(np.float32)
    label = 2 * (x[1:-1, :, 0] > 0) + (x[1:-1, :, 1] > 0)
    t, s = np.indices(label.shape)
    target = SparseTarget(
        tuple(range(frames)),
        classes,
        t.ravel(),
        s.ravel(),
        label.ravel().astype(np.int64),
        np.full(label.size, weight, np.float32),
    )
    return Minibatch(n, {"input": (tuple(range(-1, frames + 1)), x)}, {"output": target})


def densified(batch: Minibatch) -> Minibatch:
    """The same minibatch with its target as an array."""
    target = batch.outputs["output"]
    values = np.zeros((len(target.frames), batch.n, target.dim), np.float32)
    values[target.t, target.n, target.column] = target.weight
    return Minibatch(batch.n, batch.inputs, {"output": DenseTarget(target.frames, values)})


def chain_minibatch(rng: np.random.Generator, n: int = 6, frames: int = 4, pdfs: int = 4) -> Minibatch:
    """Random features and random supervision for the network above, its log-softmax being as good an output
    as any.
    """
    x = rng.standard_normal((frames + 2, n, 5)).astype(np.float32)
    supervision = random_supervision(rng, n, frames, pdfs, end_to_end=False)
    target = ChainTarget(tuple(range(frames)), supervision, np.ones((frames, n), np.float32))
    return Minibatch(n, {"input": (tuple(range(-1, frames + 1)), x)}, {"output": target})

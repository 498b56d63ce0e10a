"""Bias, ReLU and batch-norm in one pass: where they follow each other so, with the numbers of one by one."""

from __future__ import annotations

import numpy as np
import pytest

from nnet import tree
from nnet.backend import to_device, to_host
from nnet.component import STAT, params
from nnet.graph.plan import Request, make_plan
from nnet.graph.run import Keep, backward, forward
from nnet.graph.stats import store_stats
from nnet.kernels import normalise
from tests.networks import network

HEAD = """
input-node name=input dim=5
component name=a type={kind}
component name=r type=RectifiedLinearComponent dim=12 self-repair-scale=1e-05
component name=n type=BatchNormComponent dim=12 {norm}
component name=out type=NaturalGradientAffineComponent input-dim=12 output-dim=4
component-node name=a component=a input=input
component-node name=r component=r input=a
component-node name=n component=n input={read}
component-node name=out component=out input={last}
output-node name=output input=out
"""
KINDS = {
    "affine": "NaturalGradientAffineComponent input-dim=5 output-dim=12",
    "tdnn": "TdnnComponent input-dim=5 output-dim=12 time-offsets=-1,0,2",
    "narrow": "TdnnComponent input-dim=5 output-dim=12 time-offsets=1",
}


def net(kind="affine", norm="", read="r", last="n"):
    """A network of one hidden layer."""
    text = HEAD.format(kind=KINDS.get(kind, kind), norm=norm, read=read, last=last)
    return network(text)


def plan_of(nnet):
    return make_plan(nnet, Request({"input": range(-3, 9)}, {"output": range(0, 6, 3)}))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("last", ["n", "Sum(n, Scale(0.5, r))"])
def test_the_layers_are_found(kind, last):
    found = plan_of(net(kind, last=last)).clipped
    assert {a: (r.node, n.node) for a, (r, n) in found.items()} == {"a": ("r", "n")}


@pytest.mark.parametrize(
    "how",
    [
        {"norm": "block-dim=6"},
        {"norm": "test-mode=true"},
        {"read": "Sum(r, Offset(r, -3))"},
        {"last": "Sum(n, a)"},  # somebody needs what has not been clipped
        {"read": "Sum(r, Const(1.0, 12))"},
    ],
)
def test_other_ways_of_following_each_other_are_left_alone(how):
    assert not plan_of(net(**how)).clipped


def passes(nnet, keep, x, w, move):
    """Outputs, derivatives, statistics and changes of one pass."""
    nnet.components = {
        name: tree.copy(c) if move is np.copy else tree.on_device(c) for name, c in nnet.components.items()
    }
    plan = plan_of(nnet)
    acts = forward(nnet, plan, {"input": move(x)}, seed=3, keep=keep)
    y = to_host(acts.output())
    store_stats(nnet, acts)
    delta = tree.zeros_like(nnet.components)
    dx = backward(nnet, plan, acts, {"output": move(w)}, delta, ("input",))["input"]
    numbers = [np.asarray(to_host(a)) for c in delta.values() for a in params(c).values()]
    for c in nnet.components.values():
        numbers += [
            np.asarray(to_host(v)) for leaf, k in tree.held(c, STAT) if (v := getattr(leaf, k)) is not None
        ]
    return [y, to_host(dx), *numbers]


@pytest.mark.parametrize("where", ["host", "device"])
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_those_of_one_after_the_other(rng, emulated, monkeypatch, kind, where):
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((12, 7, 5), (2, 7, 4)))
    move, calls, body = (np.copy if where == "host" else to_device), [], normalise.bias_relu_forward
    monkeypatch.setattr(normalise, "bias_relu_forward", lambda *a: calls.append(len(a)) or body(*a))
    alone = passes(net(kind), Keep.ALL, x, w, move)
    assert not calls
    together = passes(net(kind), Keep.FOR_BACKWARD, x, w, move)
    assert calls == [4]
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5 * max(1.0, np.abs(b).max(initial=0)))


def test_a_normalisation_set_to_test_mode_later_is_applied_by_itself(rng):
    nnet, x = net(), rng.standard_normal((12, 7, 5)).astype(np.float32)
    plan = plan_of(nnet)
    nnet.components["n"].test_mode = True
    found = [forward(nnet, plan, {"input": x}, keep=keep).output() for keep in (Keep.FOR_BACKWARD, Keep.ALL)]
    assert plan.clipped and np.array_equal(*found)

"""Affine layers that read shifted rows where they lie, against the same on a spliced copy."""

import numpy as np
import pytest

from nnet import tree
from nnet.columns import Columns
from nnet.component import params
from nnet.graph import copying
from nnet.graph.run import Keep, backward, forward
from tests.networks import network
from tests.nnet.graph.trial import Trial

LINES = """input-node name=input dim=4
component name=a type=NaturalGradientAffineComponent input-dim=4 output-dim=6
component-node name=a component=a input=input
component name=b type=NaturalGradientAffineComponent input-dim={b_in} output-dim=12
component-node name=b component=b input={b}
component name=relu type=RectifiedLinearComponent dim=12 self-repair-scale=1e-5
component-node name=relu component=relu input=b
component name=bn type=BatchNormComponent dim=12
component-node name=bn component=bn input=relu
component name=c type=LinearComponent input-dim=24 output-dim=5
component-node name=c component=c input=Append(bn, Offset(bn, 2))
component name=d type=AffineComponent input-dim=11 output-dim=5
component-node name=d component=d input=Append(a, Offset(c, -1))
output-node name=output input=Sum(d, c)
"""
SHIFTED = "Append(Offset(a, -1), a, Offset(a, 1))"


def trial(b: str = SHIFTED, b_in: int = 18, frames=range(4), n: int = 3) -> Trial:
    return Trial(network(LINES.format(b=b, b_in=b_in)), {"input": range(-12, 20)}, frames, n=n)


def passes(t: Trial, deriv_times=None):
    """Activations, derivatives and changes with a spliced copy, then without."""
    found, components = [], t.nnet.components
    for keep in (Keep.ALL, Keep.FOR_BACKWARD):
        t.nnet.components = {name: tree.copy(c) for name, c in components.items()}
        acts = forward(t.nnet, t.plan, t.inputs, seed=4, keep=keep)
        x, output = dict(acts.x), acts.output().copy()
        delta = tree.zeros_like(t.nnet.components)
        for _, c in tree.updatable(delta):  # natural gradient of a few rows is made of rounding
            c.is_gradient = t.inputs["input"].shape[1] < 40
        dx = backward(t.nnet, t.plan, acts, {"output": t.w.copy()}, delta, ("input",), deriv_times)
        changes = {f"{name}.{key}": p for name, c in delta.items() for key, p in params(c).items()}
        found.append((x, {"output": output, **dx, **changes}))
    return found


def agree(found) -> None:
    (_, copied), (_, viewed) = found
    assert copied.keys() == viewed.keys() and len(copied) > 5
    for name, array in copied.items():
        np.testing.assert_allclose(viewed[name], array, rtol=1e-9, atol=1e-12, err_msg=name)
        assert array.any()


@pytest.fixture
def wide(monkeypatch):
    """Blocks of any width are taken for wide ones."""
    monkeypatch.setattr(copying, "WIDE", 1)


@pytest.mark.parametrize("n", [1, 3, 40])
def test_nothing_is_copied_and_nothing_differs(wide, n):
    found = passes(trial(n=n))
    (copied, _), (viewed, _) = found
    assert all(isinstance(viewed[name], Columns) for name in "bcd")
    assert not any(isinstance(x, Columns) for x in copied.values())
    agree(found)


def test_views_hold_no_memory_of_their_own(wide):
    t = trial()
    acts = forward(t.nnet, t.plan, t.inputs, keep=Keep.FOR_BACKWARD)
    blocks = [*acts.x["b"].blocks, acts.x["d"].blocks[0]]
    assert all(np.shares_memory(block, blocks[0].base) for block in blocks)


@pytest.mark.parametrize("times", [(0, 2), (-1, 1), (3, 9)])
def test_with_derivatives_of_some_frames_only(wide, times):
    agree(passes(trial(), times))


@pytest.mark.parametrize(
    ("b", "b_in"),
    [
        ("Append(a, Offset(a, 3), Scale(2, Offset(a, -3)))", 18),
        ("Append(a, Const(1, 6))", 12),
        ("Append(a, Sum(a, Offset(a, 2)))", 12),
        ("Append(a, Round(a, 3))", 12),
        ("Append(a, ReplaceIndex(a, t, 0))", 12),
    ],
)
def test_what_is_more_than_rows_side_by_side_is_copied(wide, b, b_in):
    found = passes(trial(b, b_in))
    assert not isinstance(found[1][0]["b"], Columns)
    agree(found)


def test_rows_that_lie_apart_are_copied(wide):
    found = passes(trial("Append(Offset(a, -1), Offset(a, 2))", 12, frames=range(0, 9, 3)))
    assert not isinstance(found[1][0]["c"], Columns) or found[1][0]["c"].shape[0] > 0
    agree(found)


def test_narrow_blocks_are_copied():
    found = passes(trial())
    assert not any(isinstance(x, Columns) for x in found[1][0].values())
    agree(found)


def test_derivatives_match_differences(wide):
    t = trial()
    t.nnet.components["relu"].self_repair_scale = 0.0
    _, (_, viewed) = passes(t)
    d = np.random.default_rng(0).standard_normal(t.inputs["input"].shape)
    assert (viewed["input"] * d).sum() == pytest.approx(t.difference(t.inputs["input"], d), rel=1e-5)

"""Activations freed as a plan is carried out: nothing is freed that is still read, little is kept."""

from __future__ import annotations

import numpy as np
import pytest

from nnet import tree
from nnet.component import params
from nnet.graph.run import Activations, Keep, backward, forward
from nnet.graph.stats import store_stats
from tests.networks import network
from tests.nnet.graph.nets import NETS
from tests.nnet.graph.toys import toy_net
from tests.nnet.graph.trial import Trial

DEEP = """input-node name=input dim=4
component name=lin type=LinearComponent input-dim=8 output-dim=4
component name=aff type=TdnnComponent input-dim=4 output-dim=24 time-offsets=0,1
component name=relu type=RectifiedLinearComponent dim=24 self-repair-scale=1e-5
component name=bn type=BatchNormComponent dim=24
component name=drop type=GeneralDropoutComponent dim=24 dropout-proportion=0.2
component name=low type=TdnnComponent input-dim=24 output-dim=4 time-offsets=-1,0
component name=sum type=NoOpComponent dim=24
component name=out type=NaturalGradientAffineComponent input-dim=24 output-dim=5
component name=soft type=LogSoftmaxComponent dim=5
component-node name=lin component=lin input=Append(input, Offset(input, 1))
component-node name=aff component=aff input=lin
component-node name=relu component=relu input=aff
component-node name=bn component=bn input=relu
component-node name=drop component=drop input=bn
component-node name=low component=low input=drop
component-node name=aff2 component=aff input=low
component-node name=relu2 component=relu input=aff2
component-node name=bn2 component=bn input=relu2
component-node name=sum component=sum input=Sum(Scale(0.66, drop), bn2)
component-node name=out component=out input=Sum(sum, Scale(0.5, relu2))
component-node name=soft component=soft input=out
output-node name=output input=soft
"""


LSTM = """input-node name=input dim=4
component name=W type=NaturalGradientAffineComponent input-dim=8 output-dim=16
component name=lstm type=LstmNonlinearityComponent cell-dim=4 use-dropout=false
component name=trunc type=BackpropTruncationComponent dim=8 recurrence-interval=2
component name=out type=NaturalGradientAffineComponent input-dim=4 output-dim=5
component-node name=W component=W input=Append(input, IfDefined(Offset(m, -2)))
component-node name=lstm component=lstm input=Append(W, IfDefined(Offset(c, -2)))
component-node name=trunc component=trunc input=lstm
dim-range-node name=c input-node=trunc dim-offset=0 dim=4
dim-range-node name=m input-node=trunc dim-offset=4 dim=4
component-node name=out component=out input=m
output-node name=output input=out
"""


@pytest.fixture(params=NETS)
def trial(request) -> Trial:
    """Toy networks, recurrent ones among them."""
    text, frames_in, frames_out = NETS[request.param]
    return Trial(toy_net("input 3\n" + text), frames_in, frames_out)


def kept_passes(trial: Trial) -> list[tuple[Activations, dict, dict]]:
    """What each way of keeping activations leaves, and the derivatives and changes that come of it."""
    found, components = [], trial.nnet.components
    for keep in (Keep.ALL, Keep.FOR_BACKWARD):
        trial.nnet.components = {name: tree.copy(c) for name, c in components.items()}
        acts = forward(trial.nnet, trial.plan, trial.inputs, seed=4, keep=keep)
        store_stats(trial.nnet, acts)
        delta = tree.zeros_like(trial.nnet.components)
        dx = backward(trial.nnet, trial.plan, acts, {"output": trial.w}, delta, tuple(trial.inputs))
        found.append((acts, dx, {name: params(c) for name, c in delta.items()}))
    return found


def test_keeping_what_backward_reads_gives_the_same_derivatives(trial):
    (_, dx, change), (_, frugal_dx, frugal_change) = kept_passes(trial)
    assert_same_arrays(dx, frugal_dx)
    for name in change:
        assert_same_arrays(change[name], frugal_change[name])


def test_a_backward_pass_frees_what_it_has_read(trial):
    _, (acts, _, _) = kept_passes(trial)
    assert not acts.x
    assert not acts.memo
    assert not acts.outputs
    assert set(acts.y) <= set(trial.inputs)


def test_a_pass_that_frees_puts_the_derivative_of_log_softmax_in_place_of_the_given_one():
    text = DEEP.replace("output-node name=output input=soft", "output-node name=output input={}")
    for output, overwritten in (("soft", True), ("Sum(soft, soft)", False)):
        trial = Trial(network(text.format(output)), {"input": range(-3, 12)}, range(0, 6), n=3)
        for keep in (Keep.ALL, Keep.FOR_BACKWARD):
            given = trial.w.copy()
            acts = forward(trial.nnet, trial.plan, trial.inputs, keep=keep)
            backward(trial.nnet, trial.plan, acts, {"output": given}, want_input_derivs=("input",))
            assert np.array_equal(given, trial.w) == (keep is Keep.ALL or not overwritten)


def assert_same_arrays(a: dict, b: dict) -> None:
    assert a.keys() == b.keys()
    assert all(np.array_equal(a[name], b[name]) for name in a)


@pytest.fixture
def deep() -> Trial:
    """Layers of the usual kinds, shared components and nodes with several readers among them."""
    return Trial(network(DEEP), {"input": range(-3, 12)}, range(0, 6), n=3)


def test_freed_arrays_are_read_by_nobody_in_usual_layers(deep):
    (full, dx, change), (_, frugal_dx, frugal_change) = kept_passes(deep)
    assert_same_arrays(dx, frugal_dx)
    assert any(a.any() for a in change["low"].values())
    for name in change:
        assert_same_arrays(change[name], frugal_change[name])
    assert full.x.keys() >= {"aff", "relu"}


def test_freed_arrays_are_read_by_nobody_in_a_recurrence():
    trial = Trial(network(LSTM), {"input": range(-4, 9)}, range(0, 9), n=3)
    (full, dx, change), (_, frugal_dx, frugal_change) = kept_passes(trial)
    assert_same_arrays(dx, frugal_dx)
    assert change["W"]["W"].any()
    for name in change:
        assert_same_arrays(change[name], frugal_change[name])
    acts = forward(trial.nnet, trial.plan, trial.inputs, keep=Keep.FOR_BACKWARD)
    assert full.y.keys() - acts.y.keys() == {"W", "trunc", "out"}


def test_a_recurrence_writes_the_parts_of_gates_where_the_cell_reads_them():
    trial = Trial(network(LSTM), {"input": range(-4, 9)}, range(0, 9), n=3)
    full = forward(trial.nnet, trial.plan, trial.inputs)
    assert np.shares_memory(full.y["W"], full.x["lstm"])
    kept = forward(trial.nnet, trial.plan, trial.inputs, keep=Keep.FOR_BACKWARD)
    assert "lstm" not in kept.x
    room = kept.memo["lstm"]
    np.testing.assert_array_equal(room, full.memo["lstm"])
    np.testing.assert_array_equal(room[:, :, 16:20], full.x["lstm"][:, :, 16:])


def test_a_pass_for_backward_keeps_one_wide_array_a_layer(deep):
    acts = forward(deep.nnet, deep.plan, deep.inputs, keep=Keep.FOR_BACKWARD)
    assert "aff" not in acts.y
    assert "bn" not in acts.y
    assert np.shares_memory(acts.x["bn"], acts.y["relu"])


def test_derivatives_of_usual_layers_match_differences(deep):
    deep.nnet.components["drop"].test_mode = True
    deep.nnet.components["relu"].self_repair_scale = 0.0
    deep.check_input("input")
    assert deep.check_parameters() > 4

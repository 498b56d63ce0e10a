"""A recurrence whose cell computes where its input lies gives what one in copies does, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from nnet import tree
from nnet.component import params
from nnet.graph.run import Keep, backward, forward
from nnet.graph.turns import in_place
from tests.networks import network
from tests.nnet.graph.trial import Trial

LSTM = """input-node name=input dim=4
component name=W type={kind} input-dim=8 output-dim=16
component name=mask type=DropoutMaskComponent output-dim=3 dropout-proportion=0.3
component name=lstm type=LstmNonlinearityComponent cell-dim=4 use-dropout={masked} self-repair-scale=0.1
component name=trunc type=BackpropTruncationComponent dim=8 recurrence-interval=2
component name=out type=NaturalGradientAffineComponent input-dim={width} output-dim=5
component-node name=W component=W input=Append(input, IfDefined(Offset(m, -2)))
dim-range-node name=three input-node=input dim-offset=0 dim=3
component-node name=mask component=mask input=three
component-node name=lstm component=lstm input=Append(W, IfDefined(Offset(c, -2)){mask})
component-node name=trunc component=trunc input=lstm
dim-range-node name=c input-node=trunc dim-offset=0 dim=4
dim-range-node name=m input-node=trunc dim-offset=4 dim=4
component-node name=out component=out input={read}
output-node name=output input=out
"""


PART = "dim-range-node name=part input-node=W dim-offset=8 dim=4\n"


def make(kind: str = "NaturalGradientAffineComponent", masked: bool = False, more: str = "") -> Trial:
    """The network; the last layer reads `more` beside what is recurrent."""
    settings = {"kind": kind, "masked": str(masked).lower(), "mask": ", mask" if masked else ""}
    settings |= {"read": f"Append(m, {more})" if more else "m", "width": {"": 4, "part": 8, "W": 20}[more]}
    text = LSTM.format(**settings) + (PART if more == "part" else "")
    return Trial(network(text), {"input": range(-4, 9)}, range(0, 9), n=3)


def works_in_place(trial: Trial) -> bool:
    acts = forward(trial.nnet, trial.plan, trial.inputs, keep=Keep.FOR_BACKWARD)
    step = next(step for step in trial.plan.steps if hasattr(step, "turns"))
    return in_place(trial.nnet.component_of("lstm"), "lstm", step, acts)


def passed(trial: Trial, keep: Keep, rate: float = 0.1, times: tuple[int, int] | None = None) -> list:
    """The output, the derivative by the input, and all that delta collects, in two minibatches."""
    delta = tree.zeros_like(trial.nnet.components)
    for components in (trial.nnet.components, delta):
        for _, c in tree.updatable(components):
            c.learning_rate = rate
    found = []
    for seed in (1, 2):
        acts = forward(trial.nnet, trial.plan, trial.inputs, seed, keep)
        found.append(acts.output().copy())
        derivatives = {"output": trial.w.copy()}
        dx = backward(trial.nnet, trial.plan, acts, derivatives, delta, ("input",), times)
        found.append(dx["input"])
    held = [a for c in delta.values() for a in (*params(c).values(), *tree.stats(c))]
    return found + held


def assert_same(trial: Trial, **how) -> list:
    kept, frugal = (passed(trial, keep, **how) for keep in (Keep.ALL, Keep.FOR_BACKWARD))
    assert len(kept) == len(frugal)
    for a, b in zip(kept, frugal):
        np.testing.assert_array_equal(a, b)
    return kept


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("times", [None, (1, 5)])
def test_a_cell_gives_the_same_in_place(masked, times):
    trial = make(masked=masked)
    assert works_in_place(trial)
    found = assert_same(trial, times=times)
    assert all(np.any(a) for a in found[:4])
    assert trial.nnet.components["lstm"].count == 0


def test_a_component_that_needs_its_derivative_in_order_gets_a_copy():
    trial = make(kind="TdnnComponent time-offsets=0")
    assert works_in_place(trial)
    assert_same(trial)


def test_a_cell_that_does_not_learn_collects_nothing():
    trial = make()
    assert_same(trial, rate=0.0)
    delta = tree.zeros_like(trial.nnet.components)
    trial.nnet.components["W"].learning_rate = delta["W"].learning_rate = 0.1
    trial.nnet.components["lstm"].learning_rate = 0.0
    acts = forward(trial.nnet, trial.plan, trial.inputs, keep=Keep.FOR_BACKWARD)
    backward(trial.nnet, trial.plan, acts, {"output": trial.w}, delta)
    assert delta["W"].W.any() and delta["lstm"].count == 0 and not delta["lstm"].W.any()


@pytest.mark.parametrize("read", ["W", "part"])
def test_what_others_read_stays(read):
    trial = make(more=read)
    assert not works_in_place(trial)
    assert_same(trial)


def test_outputs_alone_are_the_same():
    trial = make(masked=True)
    kept, lean = (
        forward(trial.nnet, trial.plan, trial.inputs, 3, keep).output() for keep in (Keep.ALL, Keep.OUTPUTS)
    )
    np.testing.assert_array_equal(kept, lean)


PROJECTED = """input-node name=input dim=4
component name=W type=LinearComponent input-dim=7 output-dim=16
component name=lstm type=LstmNonlinearityComponent cell-dim=4 use-dropout=false
component name=trunc type=BackpropTruncationComponent dim=7 recurrence-interval=3
component name=rp type=NaturalGradientAffineComponent input-dim=4 output-dim=5
component-node name=W component=W input=Append(input, IfDefined(Offset(r_back, -3)))
component-node name=lstm component=lstm input=Append(W, IfDefined(Offset(c_back, -3)))
dim-range-node name=c input-node=lstm dim-offset=0 dim=4
dim-range-node name=m input-node=lstm dim-offset=4 dim=4
component-node name=rp component=rp input=m
dim-range-node name=r input-node=rp dim-offset=0 dim=3
component-node name=trunc component=trunc input=Append(c, r)
dim-range-node name=c_back input-node=trunc dim-offset=0 dim=4
dim-range-node name=r_back input-node=trunc dim-offset=4 dim=3
output-node name=output input=rp
"""


@pytest.fixture
def projected() -> Trial:
    return Trial(network(PROJECTED), {"input": range(-4, 9)}, range(0, 9), n=3)


def test_a_projection_reads_columns_of_the_cell_where_they_lie(projected):
    acts = forward(projected.nnet, projected.plan, projected.inputs)
    assert np.shares_memory(acts.x["rp"], acts.y["lstm"])
    np.testing.assert_array_equal(acts.x["rp"], acts.y["lstm"][:, :, 4:])


@pytest.mark.parametrize("times", [None, (1, 5)])
def test_a_cell_with_a_projection_gives_the_same_in_place(projected, times):
    assert works_in_place(projected)
    assert all(np.any(a) for a in assert_same(projected, times=times)[:4])


def test_derivatives_of_a_cell_with_a_projection_match_differences(projected):
    projected.nnet.components["lstm"].self_repair_config[5:] = 0
    projected.check_input("input")
    assert projected.check_parameters() == 4


def test_an_input_that_is_copied_turn_by_turn_is_not_kept(projected):
    acts = forward(projected.nnet, projected.plan, projected.inputs, keep=Keep.FOR_BACKWARD)
    assert acts.x.keys() == {"W", "rp"}
    assert forward(projected.nnet, projected.plan, projected.inputs).x.keys() >= {"trunc", "lstm"}

"""Derivatives that are held for a turn only are those that are held for all frames."""

from __future__ import annotations

import numpy as np
import pytest

from nnet import tree
from nnet.component import params
from nnet.frames import rows_around
from nnet.graph.run import Keep, backward, forward
from nnet.graph.steps import Recurrence
from nnet.graph.turns_back import Derivatives
from tests.networks import network
from tests.nnet.graph.trial import Trial

NET = """input-node name=input dim=3
component name=W type=AffineComponent input-dim=6 output-dim=3
component name=h type={kind} dim=3
component name=t type=BackpropTruncationComponent dim=3 recurrence-interval=2
component-node name=W component=W input=Append(input, Sum({recurrent}))
component-node name=h component=h input=W
component-node name=t component=t input=h
output-node name=output input={output}
"""
ONE, TWO = "IfDefined(Offset(t, -2))", "IfDefined(Offset(t, -2)), IfDefined(Offset(t, -3))"


def trial(recurrent: str, kind: str = "NoOpComponent", output: str = "h") -> Trial:
    text = NET.format(recurrent=recurrent, kind=kind, output=output)
    return Trial(network(text), {"input": range(-4, 9)}, range(0, 9), n=2)


def step_of(found: Trial) -> Recurrence:
    return next(step for step in found.plan.steps if isinstance(step, Recurrence))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [((0, 2), (0, 2)), ((3, 4), (2, 5)), ((2, 5), (2, 5)), ((1, 3), None), ((4, 6), None), ((5, 6), None)],
)
def test_rows_lie_in_one_block_or_in_none(rows, expected):
    found = rows_around(slice(*rows), [slice(0, 2), slice(2, 5)])
    assert found == (None if expected is None else slice(*expected))


def test_what_is_read_with_two_delays_is_read_across_turns():
    assert "t" in step_of(trial(ONE)).within
    assert "t" not in step_of(trial(TWO)).within
    assert {"W", "h"} <= step_of(trial(TWO)).within


def passes(found: Trial, monkeypatch) -> set[str]:
    """The nodes whose derivatives a backward pass holds for a turn."""
    seen: set[str] = set()
    made = Derivatives.__init__

    def init(self, *arguments):
        made(self, *arguments)
        seen.update(self.turns)

    monkeypatch.setattr(Derivatives, "__init__", init)
    found.backward()
    return seen


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"recurrent": ONE, "output": "h"}, {"t"}),  # what comes from outside comes for all frames
        ({"recurrent": ONE, "output": "t"}, {"h"}),
        ({"recurrent": TWO, "output": "h"}, set()),
        ({"recurrent": ONE, "output": "t", "kind": "SigmoidComponent"}, set()),  # has statistics of them
    ],
)
def test_derivatives_pass_that_nobody_looks_at_again(monkeypatch, how, expected):
    assert passes(trial(**how), monkeypatch) == expected


@pytest.mark.parametrize("recurrent", [ONE, TWO])
@pytest.mark.parametrize("output", ["h", "t", "Sum(h, t)"])
@pytest.mark.parametrize("times", [None, (1, 5)])
def test_held_for_a_turn_or_for_all_they_are_the_same(monkeypatch, recurrent, output, times):
    results = []
    for names in (None, []):
        if names is not None:
            monkeypatch.setattr(Derivatives, "_passing", lambda self, group, grads: [])
        found = trial(recurrent, output=output)
        delta = tree.zeros_like(found.nnet.components)
        acts = forward(found.nnet, found.plan, found.inputs, keep=Keep.FOR_BACKWARD)
        dx = backward(found.nnet, found.plan, acts, {"output": found.w.copy()}, delta, ("input",), times)
        results.append([dx["input"], *params(delta["W"]).values()])
    for ours, theirs in zip(*results):
        assert ours.any()
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("recurrent", [ONE, TWO])
def test_they_match_differences(recurrent):
    found = trial(recurrent)
    found.check_input("input")
    assert found.check_parameters() == 2

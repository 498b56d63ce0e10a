"""Whole networks of Kaldi: derivatives by inputs and parameters against differences, in float64."""

from __future__ import annotations

import pytest

from nnet.graph.context import context
from tests.nnet.graph.test_golden import CASES, in_test_mode, model
from tests.nnet.graph.trial import Trial

TOLERANCE = 1e-5
SEED = 6  # inputs that leave no ReLU of these networks within a step of zero


@pytest.mark.parametrize("name", CASES)
def test_derivatives_match_differences(name, shared):
    nnet = in_test_mode(model(shared / "golden" / "cases" / name))
    for component in nnet.components.values():  # self-repair bends derivatives on purpose
        if hasattr(component, "self_repair_scale"):
            component.self_repair_scale = 0.0
        if hasattr(component, "self_repair_config"):
            component.self_repair_config = component.self_repair_config * 0
    left, right = context(nnet)
    frames = {"input": range(60) if name == "xvector" else range(-left - 6, 12 + right + 4)}
    if "ivector" in nnet.input_names():
        frames["ivector"] = range(1)
    trial = Trial(nnet, frames, [0] if name == "xvector" else range(12), seed=SEED)
    trial.check_input("input", TOLERANCE)
    assert trial.check_parameters(TOLERANCE) > 0

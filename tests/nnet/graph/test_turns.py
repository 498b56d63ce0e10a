"""Who collects the statistics of a backward pass."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nnet.component import Component, Updatable
from nnet.graph.turns import change_of


def net(component):
    node = SimpleNamespace(component="c")
    return SimpleNamespace(nodes={"node": node}, component_of=lambda name: component)


def test_a_component_with_parameters_collects_in_the_delta():
    collected = Updatable()
    assert change_of(net(Updatable()), "node", {"c": collected}) is collected


def test_a_component_without_parameters_collects_in_itself():
    component = Component()
    assert change_of(net(component), "node", {"c": Component()}) is component


@pytest.mark.parametrize("component", [Component(), Updatable()])
def test_nothing_is_collected_without_a_delta(component):
    assert change_of(net(component), "node", None) is None

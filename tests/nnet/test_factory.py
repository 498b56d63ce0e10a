# ruff: noqa: E501  one case of a table of mistakes on one line
"""Components from config lines, by type."""

from __future__ import annotations

import numpy as np
import pytest

from nnet.config_line import ConfigLine
from nnet.factory import make_component


def make(text: str):
    return make_component(ConfigLine("component " + text, "a.config:3"), np.random.default_rng(0))


def test_the_type_decides_what_is_made():
    component = make("name=l type=NaturalGradientAffineComponent input-dim=3 output-dim=4")
    assert (component.TYPE, component.input_dim, component.output_dim) == (
        "NaturalGradientAffineComponent",
        3,
        4,
    )


@pytest.mark.parametrize(
    "text, message",
    [
        ("name=l type=AffinComponent", "a.config:3: component l: there is no type AffinComponent; did you mean AffineComponent"),
        ("name=l type=LogSoftmaxComponent dim=3 dmi=3", "a.config:3: component l LogSoftmaxComponent has no option dmi; did you mean dim"),
        ("name=l dim=3", "needs type="),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_the_nearest_word(text, message):
    with pytest.raises(ValueError, match=message):
        make(text)

"""The table of component types."""

import io

import numpy as np
import pytest

from nnet.component import Component
from nnet.components import REFUSED, TYPES
from nnet.config_line import ConfigLine
from nnet.factory import make_component
from nnet.formats.basic import KaldiInput
from nnet.formats.components import LAYOUTS, read_component


def test_types_are_filed_under_their_own_name():
    assert len(TYPES) > 19
    for name, cls in TYPES.items():
        assert issubclass(cls, Component) and name == cls.TYPE


@pytest.mark.parametrize(
    "name", ["TdnnComponent", "NaturalGradientAffineComponent", "RectifiedLinearComponent"]
)
def test_common_types_are_there(name):
    assert TYPES[name].__name__ == name.removesuffix("Component")


@pytest.mark.parametrize("name", REFUSED)
def test_refused_types_have_no_class_and_say_why(name):
    assert name not in TYPES
    with pytest.raises(ValueError, match=f"components of type {name} cannot be used: {REFUSED[name][:20]}"):
        make_component(ConfigLine(f"component name=c type={name}"), np.random.default_rng(0))
    with pytest.raises(ValueError, match=f"components of type {name} cannot be used: {REFUSED[name][:20]}"):
        read_component(KaldiInput(io.BytesIO(f"<{name}> ".encode()), "file", True), "c")


def test_every_type_of_kaldis_has_a_class_or_a_reason():
    assert set(LAYOUTS) == set(TYPES) | set(REFUSED)

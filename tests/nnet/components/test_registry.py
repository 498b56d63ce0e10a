"""The table of component types."""

import pytest

from nnet.component import Component
from nnet.components import TYPES


def test_types_are_filed_under_their_own_name():
    assert len(TYPES) > 19
    for name, cls in TYPES.items():
        assert issubclass(cls, Component) and name == cls.TYPE


@pytest.mark.parametrize(
    "name", ["TdnnComponent", "NaturalGradientAffineComponent", "RectifiedLinearComponent"]
)
def test_common_types_are_there(name):
    assert TYPES[name].__name__ == name.removesuffix("Component")

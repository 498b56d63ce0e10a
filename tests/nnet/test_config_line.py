"""Quoted values of config lines, and the components that they describe."""

import numpy as np
import pytest

from nnet.config_line import ConfigLine, parse_keys


@pytest.mark.parametrize(
    "text, values",
    [
        ("a=1 b='c=2 d=3' e=4", {"a": "1", "b": "c=2 d=3", "e": "4"}),
        ('a="x y"', {"a": "x y"}),
        ("a='b=\"c d=1\"' e=2", {"a": 'b="c d=1"', "e": "2"}),
        ("a='' b=1", {"a": "", "b": "1"}),
        ("input=Offset(a, -1) a='1' a='2'", {"input": "Offset(a, -1)", "a": "1"}),
    ],
)
def test_quotes_keep_a_value_together(text, values):
    assert parse_keys(text, "a:1") == values


@pytest.mark.parametrize("text", ["a='1", "a='1' 2", "a='1'2", "a='"])
def test_quotes_that_do_not_close_are_refused(text):
    with pytest.raises(ValueError, match=r"a:1: in .* the quotes do not enclose the whole value"):
        parse_keys(text, "a:1")


def test_a_part_is_made_from_its_own_line():
    line = ConfigLine("component one='type=x dim=3'", "a:1")
    line.make_part = lambda inner, rng: (inner.first_token, inner.values, inner.where)
    assert line.part("one", np.random.default_rng(0)) == ("one", {"type": "x", "dim": "3"}, "a:1")
    line.finish()


def test_a_line_without_a_maker_of_parts_says_so():
    with pytest.raises(ValueError, match="a:1: component: one cannot be made here"):
        ConfigLine("component one='dim=3'", "a:1").part("one", np.random.default_rng(0))

from __future__ import annotations

import pytest

from xconfig.descriptor import parse_descriptor

ABOVE = ["before", "prev"]


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("Sum(foo,bar)", "Sum(foo, bar)"),
        ("Sum(foo1,bar-3_4)", "Sum(foo1, bar-3_4)"),
        ("Append(input@-3, input@0, input@3)", "Append(Offset(input, -3), input, Offset(input, 3))"),
        ("Append(-3,0,3)", "Append(Offset(prev, -3), prev, Offset(prev, 3))"),
        ("Append(-1,ReplaceIndex(ivector, t, 0))", "Append(Offset(prev, -1), ReplaceIndex(ivector, t, 0))"),
        ("[-1]", "prev"),
        ("[-2]@3", "Offset(before, 3)"),
        ("[-2].aux@2", "Offset(before.aux, 2)"),
        ("Scale(2.0,foo)", "Scale(2.0, foo)"),
        ("Scale(2,foo)", "Scale(2.0, foo)"),
        ("Const(0.5,500)", "Const(0.5, 500)"),
        ("Offset(foo, 0)", "Offset(foo, 0)"),
        ("Offset(foo, 1, -2)", "Offset(foo, 1, -2)"),
        ("IfDefined(Round(baz, 3))", "IfDefined(Round(baz, 3))"),
        ("Failover(foo, Offset(bar, -1))", "Failover(foo, Offset(bar, -1))"),
        ("Switch(a, Offset(b, 2), c@3)", "Switch(a, Offset(b, 2), Offset(c, 3))"),
        ("ReplaceIndex( foo ,x , 0 )", "ReplaceIndex(foo, x, 0)"),
    ],
)
def test_sugar_is_spelled_in_full_and_stays_so(text, full):
    assert str(parse_descriptor(text, ABOVE)) == full
    assert str(parse_descriptor(full, ABOVE)) == full


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a descriptor at the end"),
        ("Apend(a, b)", "there is no operator Apend; did you mean Append?"),
        ("Append(a, b", r"expected \) at the end"),
        ("Append(a b)", r"expected \) after Append\(a, found b"),
        ("a b", "nothing may follow a, found b"),
        ("Failover(a)", r"expected , after Failover\(a, found \)"),
        ("IfDefined(a, b)", r"expected \) after IfDefined\(a, found ,"),
        ("Round(a, 0)", "Round takes a positive integer, found 0"),
        ("Offset(a, b)", "Offset takes an integer, found b"),
        ("ReplaceIndex(a, n, 0)", "ReplaceIndex takes t or x, found n"),
        ("Scale(a, b)", "Scale takes a number, found a"),
        ("a@b", "a@ takes an integer, found b"),
        ("[-3]", r"\[-3\] asks for 3 layers above, there are 2"),
        ("[1]", "brackets hold a negative number"),
        ("[-1", r"expected a descriptor, found \[|brackets hold"),
        ("Round(" * 101 + "a" + ", 2)" * 101, "nested 101 deep, more than 100"),
        (")", r"expected a descriptor, found \)"),
    ],
)
def test_mistakes_are_named(text, message):
    with pytest.raises(ValueError, match=message):
        parse_descriptor(text, ABOVE)


@pytest.mark.parametrize(
    ("text", "dim"),
    [
        ("a", 3),
        ("Append(a, b@1)", 8),
        ("Sum(a, Const(1.0, 3))", 3),
        ("IfDefined(Offset(Scale(0.5, b), 1))", 5),
        ("Round(ReplaceIndex(b, t, 0), 3)", 5),
    ],
)
def test_dimension_follows_from_the_names(text, dim):
    assert parse_descriptor(text).dim({"a": 3, "b": 5}.__getitem__) == dim


@pytest.mark.parametrize("operator", ["Sum", "Failover", "Switch"])
def test_terms_of_different_dimension_are_both_named(operator):
    with pytest.raises(ValueError, match="a has dim 3 but b has dim 5"):
        parse_descriptor(f"{operator}(a, b)").dim({"a": 3, "b": 5}.__getitem__)


def test_names_can_be_replaced_by_descriptors():
    assert parse_descriptor("Append(s, -1)", ["t"]).render({"s": "Round(x, 3)", "t": "y"}.__getitem__) == (
        "Append(Round(x, 3), Offset(y, -1))"
    )

"""Dropout schedules, by the examples of Kaldi's self-test."""

from __future__ import annotations

import pytest

from steps.dropout import edits, parse, proportions


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [
        (0.75, [("*", 0.25), ("lstm.*", 0.3)]),
        (0.5, [("*", 0.5), ("lstm.*", 0.2)]),
        (0.25, [("*", 0.25), ("lstm.*", 0.1)]),
    ],
)
def test_patterns_have_their_own_curves(fraction: float, expected: list[tuple[str, float]]) -> None:
    got = proportions(parse("*=0.0,0.5,0.0 lstm.*=0.0,0.3@0.75,0.0"), fraction)
    assert [(p, pytest.approx(v)) for p, v in got] == expected


@pytest.mark.parametrize(
    ("fraction", "expected"), [(0, 0), (0.2, 0), (0.35, 0.15), (0.5, 0.3), (0.75, 0.15), (1, 0)]
)
def test_the_usual_schedule(fraction: float, expected: float) -> None:
    assert proportions(parse("0,0@0.20,0.3@0.50,0"), fraction) == [("*", pytest.approx(expected))]


def test_edits_are_directives_of_nnet3_copy() -> None:
    assert edits(parse("0,1"), 0.5) == "set-dropout-proportion name=* proportion=0.5"
    assert edits(parse(None), 0.5) == ""


@pytest.mark.parametrize("text", ["0.5", "0,0.3@0.5,0.2@0.4,0", "0,1.5", "a,b", "0,0.1@2,0"])
def test_bad_schedules_are_refused_with_the_item(text: str) -> None:
    with pytest.raises(ValueError, match="dropout-schedule: cannot use"):
        parse(text)

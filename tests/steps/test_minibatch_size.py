"""Rules for minibatch sizes: the cases of Kaldi's own self-test, and what is made of them."""

from __future__ import annotations

import pytest

from steps.minibatch_size import at_most, check, halve, largest_size


@pytest.mark.parametrize(
    ("text", "expected"),
    [("64", "32"), ("64,16:32", "32,8:16"), ("1", "1"), ("128=64/256=40,80:100", "128=32/256=20,40:50")],
)
def test_halving_leaves_lengths_alone(text: str, expected: str) -> None:
    assert halve(text) == expected


@pytest.mark.parametrize(
    "text", ["32", "32,64", "1:32", "1:32,64", "64,1:32", "128=64:128/256=32,64", "1=2/3=4"]
)
def test_good_rules_pass(text: str) -> None:
    assert check(text) == text


@pytest.mark.parametrize(
    "text", ["", "1:", ":2", "3,", ",4", "5:4", "0", "9=", "10=10/", "11=11/11", "16/17=17", "/18", "x"]
)
def test_bad_rules_are_refused_with_the_text(text: str) -> None:
    with pytest.raises(ValueError, match="minibatch-size"):
        check(text)


def test_the_largest_size_ignores_lengths() -> None:
    assert largest_size("512=64:128/1024=32") == 128


@pytest.mark.parametrize(
    ("text", "expected"), [("128", "1:128"), ("64,128", "1:64,128"), ("1:64", "1:64"), ("8=4", "8=4")]
)
def test_the_final_combination_takes_smaller_minibatches_too(text: str, expected: str) -> None:
    assert at_most(text) == expected

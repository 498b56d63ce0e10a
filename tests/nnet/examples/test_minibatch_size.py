"""The grammar of --minibatch-size and the sizes it gives."""

from __future__ import annotations

import pytest

from nnet.examples.minibatch_size import parse_minibatch_sizes


@pytest.mark.parametrize("text, available, expected", [
    ("16:32,64", 128, 64), ("16:32,64", 64, 64), ("16:32,64", 63, 32), ("16:32,64", 31, 31),
    ("16:32,64", 16, 16), ("16:32,64", 15, 0), ("128", 127, 0), ("128", 128, 128), ("1:64", 5, 5),
    ("64,16:32", 40, 32),
])  # fmt: skip
def test_after_the_input_has_ended_the_largest_allowed_size_is_taken(text, available, expected):
    assert parse_minibatch_sizes(text).of(10).largest_within(available) == expected


@pytest.mark.parametrize(
    "example_size, expected", [(1, 128), (128, 128), (191, 128), (192, 128), (193, 64), (999, 64)]
)
def test_the_rule_of_the_nearest_example_size_holds_and_the_first_at_a_tie(example_size, expected):
    sizes = parse_minibatch_sizes("128=64:128/256=32,64")
    assert sizes.of(example_size).largest == expected


@pytest.mark.parametrize("text, message", [
    ("", "'' is not an integer"), ("a", "'a' is not an integer"), ("0", "0 is not a positive size"),
    ("8:4", "8:4 is not a positive size or a rising range"), ("-3", "-3 is not a positive"),
    ("1,", "'' is not an integer"),
    ("64/32", "with several rules each needs an example size"), ("1=64/32", "each needs an example size"),
    ("1=64/1=32", "an example size is given twice"), ("1=2=3", "is not an integer"),
    ("1:2:3", "'2:3' is not an integer"),
])  # fmt: skip
def test_malformed_sizes_are_refused_with_the_option_in_the_message(text, message):
    with pytest.raises(ValueError, match=message) as error:
        parse_minibatch_sizes(text)
    assert f"--minibatch-size={text}" in str(error.value)

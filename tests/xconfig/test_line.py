from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xconfig.line import parse_line


def test_options_are_split_at_their_keys():
    assert parse_line("affine-layer input=Append(foo, bar)  name=a # rest") == (
        "affine-layer",
        {"input": "Append(foo, bar)", "name": "a"},
    )


def test_quotes_protect_equals_signs():
    kind, options = parse_line('x-layer a="p=1  q=2" b=3 c=" d=4 "') or ("", {})
    assert (kind, options) == ("x-layer", {"a": "p=1 q=2", "b": "3", "c": "d=4"})


@pytest.mark.parametrize("text", ["", "   ", "# only a comment", "\t#x=1"])
def test_nothing_is_left_of_blank_lines_and_comments(text):
    assert parse_line(text) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x-layer name='a'", "character ' is not allowed; values with = signs take double quotes"),
        ("x-layer name=$a", r"character \$ is not allowed"),
        ('x-layer name="a', "double quotes must come in pairs"),
        ("X-layer name=a", "begins with the type of a layer, not with 'X-layer'"),
        ("x-layer word name=a", "'word' is not key=value"),
        ("x-layer word", "'word' is not key=value"),
        ("x-layer name = a", "'name' is not key=value|is not key=value"),
        ("x-layer 1a=2", "option 1a does not begin with a letter"),
        ("x-layer a=1 a=2", "option a is given twice"),
    ],
)
def test_mistakes_are_named(text, message):
    with pytest.raises(ValueError, match=message):
        parse_line(text)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z-]{0,8}", fullmatch=True),
        st.from_regex(r"[A-Za-z0-9_.,()@+:/-]{1,9}", fullmatch=True),
        min_size=1,
    )
)
def test_a_written_line_reads_back(options):
    text = "x-layer " + " ".join(f"{k}={v}" for k, v in options.items())
    assert parse_line(text) == ("x-layer", options)

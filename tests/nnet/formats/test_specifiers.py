"""Names of tables: Kaldi's options, and what is not a table's name."""

from __future__ import annotations

import pytest

from nnet.formats.specifiers import (
    Rspecifier,
    Wspecifier,
    allow_pipes,
    is_rspecifier,
    is_wspecifier,
    parse_rspecifier,
    parse_wspecifier,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ark:f", Rspecifier("f")),
        ("ark:-", Rspecifier("-")),
        ("ark:", Rspecifier("")),
        ("ark:a:b", Rspecifier("a:b")),
        ("scp:f", Rspecifier("f", script=True)),
        ("s,cs,ark:f", Rspecifier("f", sorted=True, called_sorted=True)),
        ("ark,s,cs,o,p:f", Rspecifier("f", once=True, sorted=True, called_sorted=True, permissive=True)),
        ("ark,s,ns,o,no,p,np,cs,ncs,t,b:f", Rspecifier("f")),
        ("scp,bg:f", Rspecifier("f", script=True, background=True)),
        ("scp,pipes:f", Rspecifier("f", script=True, pipes=True)),
        ("ark:gunzip -c a,b.gz |", Rspecifier("gunzip -c a,b.gz |")),
    ],
)
def test_tables_to_read(text, expected):
    assert parse_rspecifier(text) == expected


@pytest.mark.parametrize(
    "text", ["f", "", "ark", "f:12", "ark,scp:f,g", "ark,x:f", "ark,ark:f", "ark:f ", "b:f"]
)
def test_names_that_are_no_tables_to_read(text):
    assert not is_rspecifier(text)
    with pytest.raises(ValueError, match="is no table to read"):
        parse_rspecifier(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ark:f", Wspecifier("f")),
        ("ark,t:f", Wspecifier("f", binary=False)),
        ("t,ark:-", Wspecifier("-", binary=False)),
        ("ark,scp:a,b", Wspecifier("a", "b")),
        ("ark,t,scp,f:a,b,c", Wspecifier("a", "b,c", binary=False, flush=True)),
        ("ark,t,b,f,nf:f", Wspecifier("f")),
        ("scp,p:f", Wspecifier(None, "f", permissive=True)),
    ],
)
def test_tables_to_write(text, expected):
    assert is_wspecifier(text)
    assert parse_wspecifier(text) == expected


@pytest.mark.parametrize("text", ["f", "scp,ark:a,b", "ark,scp:a", "ark,o:f", "t:f"])
def test_names_that_are_no_tables_to_write(text):
    with pytest.raises(ValueError, match="is no table to write"):
        parse_wspecifier(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scp:f", "scp,pipes:f"),
        ("s,scp:f:3", "s,scp,pipes:f:3"),
        ("ark:f", "ark:f"),
        ("f", "f"),
        ("ark,scp:a,b", "ark,scp:a,b"),
    ],
)
def test_consent_to_commands_changes_script_files_only(text, expected):
    assert allow_pipes(text) == expected

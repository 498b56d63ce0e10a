"""What an experiment remembers of its stages, and what it says when they differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from steps.experiment import Changed, Stage


@pytest.mark.parametrize(
    ("before", "now", "message"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, r"holds s made with b=2, but now b=3: give the earlier value"),
        ({"d": {}, "e": {"a": 1}}, {"d": {"x": None}, "e": {}}, r"made with a=1, but now a=null"),
        ({"inputs": {"f": "sha256 " + "0" * 16}}, {"inputs": {}}, r"made from f, unlike now"),
        ({"inputs": {}}, {"inputs": {"f": "12 bytes of 345"}}, r"made without f, unlike now"),
        (
            {"inputs": {"f": "12 bytes of 345", "g": "7 bytes of 8"}},
            {"inputs": {"f": "13 bytes of 346", "g": "7 bytes of 8"}},
            r"made from another version of f: put the earlier one back",
        ),
    ],
)
def test_the_one_thing_that_differs_is_named(
    tmp_path: Path, before: dict[str, object], now: dict[str, object], message: str
) -> None:
    Stage("s", -4, (), before).begin(tmp_path)
    with pytest.raises(Changed, match=message + r".*\(with --stage=-4 to keep what comes before\)"):
        Stage("s", -4, (), now).check(tmp_path)
    Stage("s", -4, (), before).check(tmp_path)

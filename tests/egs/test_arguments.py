"""Command lines of recipes: one line for what is wrong, values unless told otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from egs.arguments import Parser


def parser() -> Parser:
    options = Parser("a recipe")
    options.add_folder("exp/x")
    options.add_training(num_epochs=4.0, jobs=2, seed=1)
    options.add_l2("l2", 0.01, "all layers")
    options.add_decode()
    return options


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--jobs=0"], "0 is less than 1"),
        (["--jobs=two"], "invalid count value: 'two'"),
        (["--num-epochs=0"], "0 is not greater than 0"),
        (["--num-epochs=nan"], "nan is not greater than 0"),
        (["--l2=-1"], "-1 is negative or not finite"),
        (["--l2=inf"], "inf is negative or not finite"),
        (["--job=2"], "unrecognized arguments: --job=2"),
    ],
)
def test_wrong_options_end_in_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        parser().parse_args(words)
    error = capsys.readouterr().err
    assert left.value.code == 1
    assert error.startswith("error: ") and message in error and error.count("\n") == 1


def test_nothing_needs_to_be_told() -> None:
    assert vars(parser().parse_args([])) == {
        "dir": Path("exp/x"),
        "num_epochs": 4.0,
        "jobs": 2,
        "seed": 1,
        "use_gpu": "optional",
        "l2": 0.01,
        "decode": True,
    }

"""Small commands: help, bad options, bad input, missing packages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from steps.command_line import check_apart, run_command
from steps.options import option


@dataclass(frozen=True)
class Options:
    number: int = option("number", 1, "a number")


def work(o: Options) -> None:
    if o.number == 2:
        raise ValueError("two is too many")
    if o.number == 3:
        raise ModuleNotFoundError("no kaldifst", name="kaldifst")
    if o.number == 4:
        raise KeyboardInterrupt
    print(f"did {o.number}")


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--number=1"], 0, ""),
        (["--number=2"], 1, "toy: two is too many\n"),
        (["--number=3"], 1, "toy: kaldifst is missing: pip install -e '.[audio]'\n"),
        (["--number=4"], 130, "toy: interrupted\n"),
        (["--numbr=1"], 1, "toy: unknown option --numbr (command line); did you mean --number?\n"),
        (["--xyz=1"], 1, "toy: unknown option --xyz (command line); see --help\n"),
        (["--config=no.yaml"], 1, "toy: no.yaml: No such file or directory\n"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    words: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command("toy", "Toys.", Options, work, words, "audio") == status
    assert capsys.readouterr().err == message


@pytest.mark.parametrize(("words", "status"), [(["--help"], 0), ([], 1)])
def test_help_lists_the_options(words: list[str], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("toy", "Toys.", Options, work, words) == status
    assert "Toys.\n\n  --number  [1]" in capsys.readouterr().err


def test_a_directory_is_not_read_and_written(tmp_path: Path) -> None:
    check_apart(tmp_path / "b", "--data", tmp_path / "a")
    with pytest.raises(ValueError, match="is where --data is, which would be overwritten"):
        check_apart(tmp_path / "a", "--data", tmp_path / "b/../a")

"""Every program can also be run as a module, and every console script leads to one."""

import tomllib
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_console_script_leads_to_a_program_that_runs_as_a_module(name):
    module, _, function = SCRIPTS[name].partition(":")
    assert callable(getattr(import_module(module), function))
    assert 'if __name__ == "__main__":' in ROOT.joinpath(*module.split(".")).with_suffix(".py").read_text()


@pytest.mark.parametrize("name", [s for s in SCRIPTS if not s.startswith("cuda-")])
def test_help_prints_the_usage_and_succeeds(name, capsys):
    module, _, function = SCRIPTS[name].partition(":")
    try:
        status = getattr(import_module(module), function)(["--help"])
    except SystemExit as end:
        status = end.code
    captured = capsys.readouterr()
    assert status in (0, None) and "sage" in captured.out + captured.err

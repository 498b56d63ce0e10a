"""Kaldi's command lines: spelling, types, files of options, order, errors that name the nearest option."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from nnet.programs.options import StandardOptions, escape, option, parse, usage_text


@dataclass
class Options:
    num_jobs: int = option(4, "Number of jobs")
    scale: float = option(0.1, "Scale")
    compress: bool = option(False, "Compress")
    output_name: str = option("output", "Name")
    min_time: int = option(0, "Time", name="optimization.min-deriv-time")


def parsed(*argv: str) -> Options:
    return parse(argv, Options)[0]


def test_defaults_stay():
    assert parse([], Options) == (Options(), StandardOptions(), [])


@pytest.mark.parametrize(
    ("argument", "field", "value"),
    [
        ("--num-jobs=7", "num_jobs", 7),
        ("--num_jobs=-7", "num_jobs", -7),
        ("--NUM-JOBS= 7 ", "num_jobs", 7),
        ("--scale=1e-3", "scale", 1e-3),
        ("--scale=inf", "scale", float("inf")),
        ("--compress", "compress", True),
        ("--compress=true", "compress", True),
        ("--compress=F", "compress", False),
        ("--compress=0", "compress", False),
        ("--output-name=", "output_name", ""),
        ("--output-name=a=b", "output_name", "a=b"),
        ("--optimization.min-deriv-time=-3", "min_time", -3),
    ],
)
def test_values_have_the_type_of_the_default(argument, field, value):
    assert getattr(parsed(argument), field) == value


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--num-job=3", "there is no option --num-job; did you mean --num-jobs?"),
        ("--zzz=3", "there is no option --zzz; see --help"),
        ("--num-jobs=3.5", "--num-jobs=3.5: expected an integer"),
        ("--num-jobs=1_0", "--num-jobs=1_0: expected an integer"),
        ("--num-jobs=", "expected an integer"),
        ("--scale=x", "--scale=x: expected a number"),
        ("--compress=maybe", "--compress=maybe: expected true or false"),
        ("--compress=", "expected true or false"),
        ("--num-jobs", "--num-jobs needs a value: --num-jobs=..."),
        ("--output-name", "--output-name needs a value"),
    ],
)
def test_a_bad_option_is_named(argument, message):
    with pytest.raises(ValueError) as info:
        parsed(argument)
    assert message in str(info.value)


def test_options_end_at_the_first_argument_or_at_two_dashes():
    options, _, arguments = parse(["--num-jobs=2", "a", "--num-jobs=3", "-"], Options)
    assert (options.num_jobs, arguments) == (2, ["a", "--num-jobs=3", "-"])
    options, _, arguments = parse(["--num-jobs=2", "--", "--compress"], Options)
    assert (options.compress, arguments) == (False, ["--compress"])


def test_the_command_line_wins_over_a_file_of_options(tmp_path):
    (tmp_path / "conf").write_text("# jobs\n--num-jobs=9   # nine\n\n--compress\n")
    options = parsed(f"--config={tmp_path}/conf", "--num-jobs=3")
    assert (options.num_jobs, options.compress) == (3, True)
    options = parsed("--num-jobs=3", f"--config={tmp_path}/conf")
    assert options.num_jobs == 3


def test_a_bad_line_in_a_file_of_options_is_named(tmp_path):
    (tmp_path / "conf").write_text("--num-jobs=9\nnum_jobs=3\n")
    with pytest.raises(ValueError, match="line 2: expected --option=value, found 'num_jobs=3'"):
        parsed(f"--config={tmp_path}/conf")


def test_usage_shows_options_types_and_defaults():
    text = usage_text("Usage: x", Options)
    assert '  --output-name               : Name (string, default = "output")\n' in text
    assert "  --compress                  : Compress (bool, default = false)\n" in text
    assert "  --scale                     : Scale (float, default = 0.1)\n" in text
    assert text.index("Usage: x") < text.index("Options:") < text.index("Standard options:")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ark:a", "ark:a"),
        ("a b", "'a b'"),
        ("", "''"),
        ("it's", '"it\'s"'),
        ("it's $x", "'it'\\''s $x'"),
        ("a|", "'a|'"),
    ],
)
def test_arguments_are_shown_so_that_a_shell_would_read_them(text, shown):
    assert escape(text) == shown

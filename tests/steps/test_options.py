"""Options come from the command line and from YAML, and mean the same in both."""

from __future__ import annotations

from pathlib import Path

import pytest

from steps.options import as_dict, parse, usage
from steps.train_options import DnnOptions

NEEDED = ["--ali-dir=ali", "--dir=exp"]


def yaml_options(tmp_path: Path, text: str, *more: str) -> DnnOptions:
    path = tmp_path / "conf.yaml"
    path.write_text(text, encoding="latin-1")
    return parse(DnnOptions, [*NEEDED, f"--config={path}", *more])


def test_values_follow_an_equals_sign_or_a_space() -> None:
    o = parse(
        DnnOptions,
        [*NEEDED, "--trainer.optimization.num-jobs-final=4", "--trainer.num-epochs", "2", "--stage", "-10"],
    )
    assert (o.num_jobs_final, o.num_epochs, o.stage) == (4, 2.0, -10)


def test_values_that_look_like_options_are_values() -> None:
    o = parse(DnnOptions, [*NEEDED, "--feat.cmvn-opts", "--norm-means=false --norm-vars=false"])
    assert o.cmvn_opts == "--norm-means=false --norm-vars=false"


@pytest.mark.parametrize(
    ("word", "expected"), [("true", True), ("false", False), ("yes", True), ("no", False)]
)
def test_booleans_are_words(word: str, expected: bool) -> None:
    assert parse(DnnOptions, [*NEEDED, f"--cleanup={word}"]).cleanup is expected


def test_a_boolean_without_a_value_is_true() -> None:
    assert parse(DnnOptions, [*NEEDED, "--restart", "--cleanup", "false"]).restart is True


def test_empty_text_unsets_an_option() -> None:
    o = parse(DnnOptions, [*NEEDED, "--trainer.dropout-schedule=", "--exit-stage=5", "--exit-stage="])
    assert o.dropout_schedule is None
    assert o.exit_stage is None


def test_add_option_may_be_repeated() -> None:
    o = parse(DnnOptions, [*NEEDED, "--trainer.add-option=--a=1", "--trainer.add-option=--b=2"])
    assert o.add_option == ("--a=1", "--b=2")


def test_an_alias_sets_the_same_option() -> None:
    assert parse(DnnOptions, [*NEEDED, "--trainer.max-models-combine=7"]).max_models_combine == 7


def test_yaml_may_be_nested_or_dotted(tmp_path: Path) -> None:
    nested = (
        "trainer:\n  num-epochs: 3\n  optimization.num-jobs-final: 4\n  optimization:\n    momentum: 0.5\n"
    )
    text = nested + "egs.dir: e\n"
    o = yaml_options(tmp_path, text)
    assert (o.num_epochs, o.num_jobs_final, o.momentum, o.egs_dir) == (3.0, 4, 0.5, "e")


def test_the_command_line_wins_over_yaml_wherever_it_stands(tmp_path: Path) -> None:
    assert yaml_options(tmp_path, "trainer.srand: 1\n", "--trainer.srand=2").srand == 2


@pytest.mark.parametrize(
    ("line", "field", "expected"),
    [
        ("trainer.optimization.initial-effective-lrate: 1e-3", "initial_effective_lrate", 1e-3),
        ("use-gpu: no", "use_gpu", "no"),
        ("cleanup: no", "cleanup", False),
        ("cleanup: off", "cleanup", None),
        ("trainer.optimization.minibatch-size: 1:32", "minibatch_size", "1:32"),
        ("trainer.optimization.minibatch-size: 64,128", "minibatch_size", "64,128"),
        ("trainer.samples-per-iter: 010", "samples_per_iter", 10),
        ("trainer.samples-per-iter: 4e5", "samples_per_iter", 400000),
        ("egs.dir: ~", "egs_dir", None),
        ("trainer.add-option: [--a=1, --b=2]", "add_option", ("--a=1", "--b=2")),
    ],
)
def test_yaml_types_do_not_interfere(tmp_path: Path, line: str, field: str, expected: object) -> None:
    if line == "cleanup: off":
        with pytest.raises(ValueError, match="line 1"):
            yaml_options(tmp_path, line)
    else:
        assert getattr(yaml_options(tmp_path, line), field) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "trainer.num-epoch: 3",
            r"unknown option --trainer.num-epoch .*line 1.*did you mean --trainer.num-epochs",
        ),
        ("a: 1\na: 2", "given twice"),
        ("- 1", "option: value"),
        ("a: [", "is not YAML"),
        ("trainer:\n  srand: x", "line 2.* must be an integer"),
        ("trainer.srand: [1, 2]", "takes one value"),
        ("? [a, b]\n: 1", "line 1: the name of an option must be a word"),
        ("trainer.retries: \u00e4", "byte 0xe4 is not UTF-8"),
    ],
)
def test_mistakes_in_yaml_are_told_with_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        yaml_options(tmp_path, text)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--num-jobs-final=3"], "did you mean --trainer.optimization.num-jobs-final"),
        (["--trainer.sran", "1"], "did you mean --trainer.srand"),
        (["--use-gpu=maybe"], "choose one of optional, yes"),
        (["--trainer.srand=1.5"], "must be an integer"),
        (["--trainer.srand=inf"], "--trainer.srand='inf' .*must be an integer"),
        (["--stage=nan"], "--stage='nan' .*must be an integer"),
        (["--stage"], "--stage needs a value"),
        (["--stage", "--cleanup"], "--stage needs a value"),
        (["nonsense"], "unexpected argument"),
    ],
)
def test_mistakes_on_the_command_line_are_told(words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(DnnOptions, [*NEEDED, *words])


def test_required_options_are_asked_for() -> None:
    with pytest.raises(ValueError, match="--ali-dir is required"):
        parse(DnnOptions, ["--dir=exp"])


def test_usage_names_every_option_and_default() -> None:
    text = usage(DnnOptions, "heading")
    assert all(f"--{name}" in text for name in as_dict(parse(DnnOptions, NEEDED)))
    assert "[512]" in text

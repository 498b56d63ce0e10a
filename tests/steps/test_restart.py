"""What is kept and what is discarded: --restart, models made elsewhere, leftovers, advice that works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from steps.experiment import STAGES, Experiment
from steps.train_dnn import main
from tests.steps.conftest import Trained
from tests.steps.corpus import arguments, make_corpus

CHANGED = ["--trainer.srand=7", "--egs.frames-per-eg=2"]
WHOLE = ["--cleanup=false"]
RUN_PL = """#!/bin/sh
log=$1; shift
echo "# $*" > "$log"
"$@" >> "$log" 2>&1; status=$?
echo "# Accounting: time=1 threads=1" >> "$log"
exit $status
"""


def error_of(capsys: pytest.CaptureFixture[str], argv: list[str]) -> str:
    assert main(argv) == 1
    return capsys.readouterr().err.splitlines()[-1]


def results(directory: Path) -> dict[str, bytes]:
    """All tables of examples and all models by name."""
    paths = [p for pattern in ("egs/*.ark", "egs/*.egs", "*.mdl", "*.raw") for p in directory.glob(pattern)]
    assert paths
    return {str(p.relative_to(directory)): p.read_bytes() for p in paths}


def script(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


@pytest.mark.slow
def test_a_restarted_run_equals_a_fresh_one(trained: Trained, tmp_path: Path) -> None:
    assert main([*trained.copy(tmp_path / "fresh"), *CHANGED, *WHOLE]) == 0
    argv = [*trained.copy(tmp_path / "again"), *WHOLE]
    assert main([*argv, "--exit-stage=3"]) == 0
    before = results(tmp_path / "again")
    assert main([*argv, *CHANGED, "--restart=true"]) == 0
    assert results(tmp_path / "again") == results(tmp_path / "fresh")
    assert before["egs/egs.1.ark"] != results(tmp_path / "again")["egs/egs.1.ark"]


@pytest.mark.slow
def test_a_restarted_run_uses_nothing_of_jobs_that_were_killed(trained: Trained, tmp_path: Path) -> None:
    assert main([*trained.copy(tmp_path / "fresh"), *CHANGED, *WHOLE]) == 0
    argv = [*trained.copy(tmp_path / "again"), *WHOLE]
    assert main(argv) == 0
    exp = Experiment(tmp_path / "again")
    for number in (0, 3):  # as after SIGKILL: the job is done, the iteration is not
        exp.job_model(number, 1).write_bytes((exp.dir / "8.mdl").read_bytes())
        exp.job_stats(number, 1).write_text("{}")
        exp.start_model(number).write_bytes(b"")
    (exp.dir / ".combine.0.json").write_text("{}")
    (exp.dir / ".combined.0.raw").write_bytes(b"")
    assert main([*argv, *CHANGED, "--restart=true"]) == 0
    assert results(tmp_path / "again") == results(tmp_path / "fresh")
    assert [p.name for p in exp.dir.glob(".*")] == [STAGES]
    for name in ("compute_prob_valid.0", "compute_prob_valid.5", "compute_prob_train.combined"):
        assert scores(exp, name) == scores(Experiment(tmp_path / "fresh"), name)


def scores(exp: Experiment, name: str) -> list[str]:
    found = re.findall(r"Overall \S+ for 'output' is (\S+) per frame", exp.log(name).read_text())
    assert found
    return found


@pytest.mark.slow
def test_jobs_of_another_run_are_not_taken_over_without_restart(trained: Trained, tmp_path: Path) -> None:
    argv = trained.copy(tmp_path / "a")
    assert main([*argv, "--exit-stage=0", "--trainer.max-param-change=1"]) == 0
    exp = Experiment(tmp_path / "a")
    exp.job_model(0, 1).write_bytes((exp.dir / "0.mdl").read_bytes())
    exp.job_stats(0, 1).write_text("{}")
    log = "LOG (nnet3-train) Overall average objective function for 'output' is -0.1 over 8 frames\n"
    exp.train_log(0, 1).write_text(log)
    assert main(argv) == 0
    assert (exp.dir / "final.mdl").read_bytes() == trained.final


@pytest.mark.slow
def test_a_finished_run_says_how_to_do_stages_again_and_that_works(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [*trained.copy(tmp_path / "a"), "--cleanup.preserve-model-interval=4"]
    assert main([*argv, "--stage=-10"]) == 0
    capsys.readouterr()
    assert main([*argv, "--stage=4"]) == 0
    assert "nothing to train (--restart=true does it again, with --stage=N" in capsys.readouterr().err
    assert not (tmp_path / "a/egs/egs.1.ark").exists()
    assert main([*argv, "--stage=4", "--restart=true"]) == 0
    said = capsys.readouterr().err
    assert "egs.1.ark was removed after an earlier run: making it again" in said
    assert f"continuing with {tmp_path}/a/4.mdl" in said
    assert (tmp_path / "a/final.mdl").read_bytes() == trained.final


@pytest.mark.slow
def test_wrong_options_discard_nothing(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = trained.copy(tmp_path / "a")
    assert main(argv) == 0
    assert "no-such" in error_of(capsys, [*argv, "--ali-dir=no-such", "--restart=true"])
    assert (tmp_path / "a/final.mdl").read_bytes() == trained.final


@pytest.mark.slow
@pytest.mark.parametrize("name", ["100.mdl", "final.mdl"])
def test_models_made_elsewhere_are_not_continued(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    argv = trained.copy(tmp_path / "a")
    (tmp_path / "a" / name).write_bytes(trained.final)
    message = error_of(capsys, argv)
    assert f"{name} is there, but" in message
    assert "has no record of how it was made" in message
    assert (tmp_path / "a" / name).read_bytes() == trained.final
    assert main([*argv, "--restart=true"]) == 0
    assert (tmp_path / "a/final.mdl").read_bytes() == trained.final


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "stage"), [("exp/configs/final.config", "final.mdl"), ("data/utt2spk", "final.mdl")]
)
def test_a_changed_file_is_named_and_the_advice_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str, stage: str
) -> None:
    top = make_corpus(tmp_path / "t")
    argv = arguments(top, "--trainer.num-epochs=0.3")
    assert main(argv) == 0
    (top / path).write_text((top / path).read_text() + "\n" * ("config" in path))
    if "config" not in path:
        lines = (top / path).read_text().splitlines()
        (top / path).write_text("".join(f"{line.split()[0]} s0\n" for line in lines))
    message = error_of(capsys, argv)
    assert f"already holds {stage} made from another version of {top / path}: " in message
    assert "sha256" not in message
    assert len(message) < 400 + len(str(tmp_path)) * 2
    assert "--stage" not in message
    assert main([*argv, "--restart=true"]) == 0


@pytest.mark.slow
def test_temporary_files_of_killed_processes_are_removed(trained: Trained, tmp_path: Path) -> None:
    argv = trained.copy(tmp_path / "a")
    names = ["log/.progress.3.log.9-ab.tmp", "egs/log/.x.9-ab.tmp", "egs/.egs.1.ark.9-ab.tmp", ".a.9-ab.tmp"]
    for name in names:
        (tmp_path / "a" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "a" / name).write_text("half")
    (tmp_path / "a/log/progress.3.log").write_text("whole")
    assert main([*argv, "--exit-stage=0"]) == 0
    assert not list((tmp_path / "a").rglob("*.tmp"))
    assert (tmp_path / "a/log/progress.3.log").read_text() == "whole"


@pytest.mark.slow
def test_a_wrapper_like_run_pl_trains_the_same_model(trained: Trained, tmp_path: Path) -> None:
    wrapper = script(tmp_path / "run.sh", RUN_PL)
    assert main([*trained.copy(tmp_path / "a"), f"--cmd={wrapper}"]) == 0
    assert (tmp_path / "a/final.mdl").read_bytes() == trained.final
    assert "nnet3_train" in (tmp_path / "a/log/train.0.1.log").read_text().splitlines()[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kept_from", "job", "output"),
    [
        ("nothing", r"egs (?:get_egs\.1|create_(?:train|valid)_subset)", r"\S+"),
        ("nnet3_train", r"train\.0\.1", r"1\.1\.raw"),
    ],
)
def test_a_wrapper_that_does_not_run_jobs_is_told(
    trained: Trained,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    kept_from: str,
    job: str,
    output: str,
) -> None:
    monkeypatch.setattr("steps.executor.CommandExecutor.patience", 0.2)
    skip = "exit 0" if kept_from == "nothing" else f'case "$*" in *{kept_from}*) exit 0;; esac'
    wrapper = script(tmp_path / "run.sh", RUN_PL.replace("log=$1; shift", f"log=$1; shift\n{skip}"))
    assert main([*trained.copy(tmp_path / "a"), f"--cmd={wrapper}", "--egs.opts=--nj=1"]) == 1
    said = capsys.readouterr().err
    told = re.search(rf"job ({job}) failed: exit status 0, but it did not make .*{output}; log", said)
    assert (
        told and f"{told[1].removeprefix('egs ')}.log ends:" in said
    )  # of several jobs, whichever ended first


@pytest.mark.slow
def test_penalties_are_checked_for_all_iterations_before_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top = make_corpus(tmp_path / "t")
    config = top / "exp/configs/final.config"
    config.write_text(config.read_text().replace("l2-regularize=0.01", "l2-regularize=10"))
    message = error_of(capsys, arguments(top))  # iteration 0 has minibatches of half the size: 0.8
    assert "affine: l2-regularize=10 would flip the signs of its weights in iteration 1: " in message
    assert re.search(r"2 \* 8 \* 1 \* 0\.00\d+ \* 10 = 1\.\d+, which must be below 1", message)
    assert not (top / "exp/log/train.0.1.log").exists()


@pytest.mark.slow
def test_proportional_shrinkage_is_checked_before_the_first_iteration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top = make_corpus(tmp_path / "t")
    options = [
        "--trainer.optimization.proportional-shrink=20",
        "--trainer.optimization.initial-effective-lrate=0.02",
        "--trainer.optimization.final-effective-lrate=0.02",
    ]
    message = error_of(capsys, arguments(top, *options))  # one job at first: 1 - 20 * 0.02 = 0.6
    assert "1 - 20.0 * 0.04 = 0.2; it must stay above 0.5" in message
    assert not (top / "exp/log/train.0.1.log").exists()

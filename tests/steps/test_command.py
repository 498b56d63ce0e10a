"""What surrounds every training script: messages, and GPUs that are asked for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from steps.chain.options import ChainOptions
from steps.command import Messages, gpus, make_executor
from steps.train_options import CommonOptions, DnnOptions


def test_messages_are_kept_below_the_command_line(tmp_path: Path) -> None:
    say = Messages("train_dnn.py", tmp_path / "log/train_dnn.log")
    say("before")
    say.open(["--dir", "a b"])
    say("after")
    first, second = (tmp_path / "log/train_dnn.log").read_text().splitlines()
    assert first == "# train_dnn.py --dir 'a b'"
    assert second.endswith(" after")


def test_messages_do_not_go_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("old\n")
    (tmp_path / "train.log").symlink_to("theirs")
    Messages("train.py", tmp_path / "train.log").open([])
    assert (tmp_path / "theirs").read_text() == "old\n"
    assert (tmp_path / "train.log").read_text() == "# train.py \n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_log_that_cannot_be_written_is_given_up_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "train.log"
    log.symlink_to("/dev/full")
    say = Messages("train.py", log)
    say.open([])
    say("first")
    say("second")
    lines = [line.split(" ", 1)[1] for line in capsys.readouterr().err.splitlines()]
    warning = f"warning: {log} cannot be written (No space left on device); messages are not kept any more"
    assert lines == [warning, "first", "second"]


@pytest.mark.parametrize("word", ["yes", "true", "wait"])
def test_a_gpu_that_cannot_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=f"--use-gpu={word}, but CuPy is not installed or sees no CUDA"):
        gpus(word)
    assert gpus("optional") == gpus("no") == []


@pytest.mark.parametrize("options", [DnnOptions, ChainOptions])
def test_jobs_find_the_components_of_common_networks_imported(options: type[CommonOptions]) -> None:
    assert {"numpy.random", "nnet.components.tdnn", "nnet.components.normalize"} <= set(options.job_modules)


def test_no_job_on_a_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steps.command.gpus", lambda use_gpu: ["0"])
    options = SimpleNamespace(
        use_gpu="yes", max_local_jobs=1, threads_per_job=1, jobs_per_gpu=0, job_retries=0, job_modules=()
    )
    with pytest.raises(ValueError, match=r"--cuda.jobs-per-gpu=0 must be at least 1"):
        make_executor("local", options)  # type: ignore[arg-type]

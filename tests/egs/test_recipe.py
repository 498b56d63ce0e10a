"""What recipes share: one line for what is wrong, stages done once, programs called and stopped, results."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from egs import recipe

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ValueError("it is so"), 1, "error: it is so\n"),
        (FileNotFoundError(2, "No such file or directory", "x"), 1, "error: x: No such file or directory\n"),
        (MemoryError(), 1, "error: out of memory\n"),
        (KeyboardInterrupt(), 130, "interrupted; the same command goes on from here\n"),
    ],
)
def test_what_is_wrong_becomes_a_line_and_a_status(
    error: BaseException, status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(options: argparse.Namespace) -> None:
        raise error

    assert recipe.guarded(run, argparse.Namespace()) == status
    assert capsys.readouterr().err.startswith(line)


def test_a_missing_package_is_named_with_what_installs_it() -> None:
    with pytest.raises(ValueError, match=r"needs no_such_thing: pip install -e '\.\[audio,decode,digits\]'"):
        recipe.need("json", "no_such_thing")


def test_a_directory_of_another_run_is_refused(tmp_path: Path) -> None:
    recipe.claim(tmp_path / "a", {"l2": 0.01, "seed": 1})
    recipe.claim(tmp_path / "a", {"l2": 0.01, "seed": 1})
    with pytest.raises(ValueError, match=r"was made with --l2=0\.01, now it is 0\.0: give another --dir"):
        recipe.claim(tmp_path / "a", {"l2": 0.0, "seed": 1})


def test_options_that_change_no_result_may_change_from_call_to_call(tmp_path: Path) -> None:
    recipe.claim(tmp_path / "a", {"seed": 1, "use_gpu": "no", "decode": True}, free=("use_gpu", "decode"))
    recipe.claim(tmp_path / "a", {"seed": 1, "use_gpu": "yes", "decode": False}, free=("use_gpu", "decode"))


def test_the_first_missing_file_is_named_with_what_helps(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(ValueError) as caught:
        recipe.need_files(tmp_path, ("a", "b", "c"), "; make it")
    assert str(caught.value) == f"--kaldi={tmp_path}: there is no {tmp_path}/b; make it"


def test_a_stage_is_done_once_and_again_only_if_it_failed(tmp_path: Path) -> None:
    done = []

    def work() -> None:
        done.append(1)
        if len(done) == 1:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        recipe.stage(tmp_path / "s", "Working", work)
    recipe.stage(tmp_path / "s", "Working", work)
    recipe.stage(tmp_path / "s", "Working", work)
    assert len(done) == 2


def test_a_failing_program_is_an_error_and_an_interrupted_one_an_interrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ends.py").write_text("import sys; sys.exit(int(sys.argv[1]))\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    recipe.call("ends", "0")
    with pytest.raises(ValueError, match="ends failed, see above"):
        recipe.call("ends", "1")
    with pytest.raises(KeyboardInterrupt):
        recipe.call("ends", "130")


def test_commands_are_shown_as_they_would_be_typed(capfd: pytest.CaptureFixture[str]) -> None:
    recipe.call("timeit", "-n1", "-r1", "a = 'b c'")
    assert capfd.readouterr().out.splitlines()[0] == """$ python -m timeit -n1 -r1 'a = '"'"'b c'"'"''"""


@pytest.mark.slow
def test_a_signal_for_the_recipe_reaches_the_program_it_runs(tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(
        "import pathlib, sys, time\n"
        "pathlib.Path(sys.argv[1]).touch()\n"
        "import signal\n"
        "def tidy(*_):\n    pathlib.Path(sys.argv[1]).write_text('tidied'); sys.exit(130)\n"
        "signal.signal(signal.SIGTERM, tidy)\n"
        "pathlib.Path(sys.argv[1]).write_text('ready')\n"
        "time.sleep(60)\n"
    )
    mark = tmp_path / "mark"
    call = f"recipe.guarded(lambda o: recipe.call('child', {str(mark)!r}), None)"
    code = f"from egs import recipe; raise SystemExit({call})"
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE) as program:
        while not (mark.exists() and mark.read_text() == "ready"):
            assert program.poll() is None
            time.sleep(0.02)
        program.send_signal(signal.SIGTERM)
        _, error = program.communicate(timeout=30)
    assert program.returncode == 130
    assert mark.read_text() == "tidied"
    assert error == b"interrupted; the same command goes on from here\n"


def test_names_in_an_xconfig_are_replaced_and_a_forgotten_one_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("output-layer dim=$PDFS l2-regularize=$L2_OUTPUT\n")
    recipe.write_xconfig(tmp_path / "configs", tmp_path / "x", {"PDFS": 9, "L2_OUTPUT": "0.1"})
    assert (tmp_path / "configs" / "network.xconfig").read_text() == "output-layer dim=9 l2-regularize=0.1\n"
    with pytest.raises(KeyError, match="L2_OUTPUT"):
        recipe.write_xconfig(tmp_path / "configs", tmp_path / "x", {"PDFS": 9})


def test_settings_become_options() -> None:
    settings = {"trainer.num-epochs": 4.0, "dir": Path("a b"), "stage": -10, "rate": 0.00015}
    assert recipe.training_options(settings) == [
        "--trainer.num-epochs=4",
        "--dir=a b",
        "--stage=-10",
        "--rate=0.00015",
    ]


def test_what_the_user_chose_becomes_settings_of_the_training() -> None:
    options = argparse.Namespace(jobs=3, seed=7, use_gpu="no")
    assert recipe.job_settings(options, 0.5) == {
        "trainer.num-epochs": 0.5,
        "trainer.optimization.num-jobs-initial": 3,
        "trainer.optimization.num-jobs-final": 3,
        "trainer.srand": 7,
        "use-gpu": "no",
    }

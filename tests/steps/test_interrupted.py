"""Runs and jobs that are killed: the same command goes on and ends in the same model, bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from steps.lock import NAME
from steps.train_dnn import main
from tests.steps.conftest import Trained

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc"),
]

# What appears in the directory when the driver is killed: something of every stage.
MOMENTS = [
    "egs/.work/ali.scp",
    "egs/.work/*.done",
    "egs/egs.1.ark",
    "egs/info/num_archives",
    "presoftmax_prior_scale.vec",
    "0.mdl",
    ".start.0.raw",
    "1.1.raw",
    "3.mdl",
    "6.2.raw",
    "8.mdl",
    ".combine.*.json",
    "combined.mdl",
    ".post.*.npy",
    "final.mdl",
]


def start(argv: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "steps.train_dnn", *argv], stderr=subprocess.DEVNULL)


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    until = time.time() + 60
    while time.time() < until and not condition() and process.poll() is None:
        time.sleep(0.0005)


def descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *descendants(child)]
    return found


def running(directory: Path) -> Iterator[int]:
    """Processes that have the directory on their command line."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(directory).encode() in path.read_bytes():
                yield int(path.parent.name)
        except OSError:
            continue


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a driver, and wait until its jobs have noticed."""
    children = descendants(process.pid)
    process.kill()
    process.wait()
    until = time.time() + 8
    while any(Path(f"/proc/{c}").exists() for c in children) and time.time() < until:
        time.sleep(0.01)
    assert not any(Path(f"/proc/{c}").exists() for c in children), "jobs outlived the driver"


def leftovers(directory: Path) -> list[str]:
    return [str(p) for p in directory.rglob("*.tmp")] + [str(p) for p in directory.glob(".[!s]*")]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_driver_goes_on_with_the_same_command(trained: Trained, tmp_path: Path, moment: str) -> None:
    argv = trained.copy(tmp_path / "a")
    process = start(argv)
    wait_until(lambda: any((tmp_path / "a").glob(moment)), process)
    kill(process)
    assert main(argv) == 0
    assert (tmp_path / "a/final.mdl").read_bytes() == trained.final
    assert leftovers(tmp_path / "a") == []


@pytest.mark.parametrize("moment", ["egs/.work/*.done", "1.1.raw", "6.2.raw", ".combine.*.json"])
def test_a_killed_driver_begins_again_with_restart(trained: Trained, tmp_path: Path, moment: str) -> None:
    argv = trained.copy(tmp_path / "a")
    process = start([*argv, "--trainer.srand=7", "--trainer.optimization.momentum=0.5"])
    wait_until(lambda: any((tmp_path / "a").glob(moment)), process)
    kill(process)
    assert main([*argv, "--restart=true"]) == 0
    assert (tmp_path / "a/final.mdl").read_bytes() == trained.final
    assert leftovers(tmp_path / "a") == []


def test_killed_jobs_are_run_again(trained: Trained, tmp_path: Path) -> None:
    argv = trained.copy(tmp_path / "a")
    process = start([*argv, "--retries=6"])  # the same job may be the one that is killed every time
    killed = 0
    for number in range(1, 7):
        wait_until((tmp_path / f"a/{number}.mdl").exists, process)
        for nursery in [p for p in descendants(process.pid)][:1]:
            for job in descendants(nursery)[:1]:
                os.kill(job, signal.SIGKILL)
                killed += 1
    assert process.wait(60) == 0
    assert killed > 0
    assert (tmp_path / "a/final.mdl").read_bytes() == trained.final


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stopped_run_kills_its_jobs_and_tidies_up(
    trained: Trained, tmp_path: Path, number: signal.Signals
) -> None:
    argv = trained.copy(tmp_path / "a")
    process = start(argv)
    wait_until((tmp_path / "a/.start.3.raw").exists, process)
    children = descendants(process.pid)
    process.send_signal(number)
    assert process.wait(15) == 130
    assert not any(Path(f"/proc/{c}").exists() for c in children)
    assert not (tmp_path / "a" / NAME).exists()
    assert not list((tmp_path / "a").rglob("*.tmp"))
    assert main(argv) == 0
    assert (tmp_path / "a/final.mdl").read_bytes() == trained.final

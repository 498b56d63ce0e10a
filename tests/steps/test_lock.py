"""One run per directory."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from steps.lock import NAME, locked


def test_a_second_run_is_refused_with_the_process(tmp_path: Path) -> None:
    with (
        locked(tmp_path),
        pytest.raises(ValueError, match=f"in use by process {os.getpid()} on this machine"),
        locked(tmp_path),
    ):
        pass


def test_the_lock_goes_when_the_run_ends(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), locked(tmp_path):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path):
        assert (tmp_path / NAME).exists()


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    write(tmp_path, pid=int(dead.stdout), host=socket.gethostname())
    with locked(tmp_path):
        assert str(os.getpid()) in (tmp_path / NAME).read_text()


def test_a_later_process_with_the_same_number_does_not_hold_it(tmp_path: Path) -> None:
    write(tmp_path, pid=os.getpid(), host=socket.gethostname(), started="another boot:123")
    with locked(tmp_path):
        pass


@pytest.mark.parametrize("content", ['{"pid": 1, "host": "elsewhere"}', "damaged"])
def test_a_lock_that_cannot_be_checked_is_respected_and_named(tmp_path: Path, content: str) -> None:
    (tmp_path / NAME).write_text(content)
    with pytest.raises(ValueError, match=r"remove .*\.lock"), locked(tmp_path):
        pass


def write(directory: Path, **holder: object) -> None:
    (directory / NAME).write_text(json.dumps(holder))


RACE = """
import random, sys, time
from pathlib import Path
from steps import lock
from steps.lock import locked

same_process = lock._same_process
def slowly(*process):
    found = same_process(*process)
    time.sleep(0.02 * random.random())  # between looking at the lock and removing it
    return found

lock._same_process = slowly
directory = Path(sys.argv[1])
while not (directory / "go").exists():
    time.sleep(0.0005)
try:
    with locked(directory):
        print("taken", flush=True)
        sys.stdin.read()
except ValueError:
    print("refused", flush=True)
"""


def test_of_many_that_find_a_stale_lock_one_takes_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACE, str(tmp_path)]
    for _ in range(3):
        write(tmp_path, pid=2**22 + 1, host=socket.gethostname())
        runs = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(6)
        ]
        (tmp_path / "go").touch()
        answers = [run.stdout.readline().strip() for run in runs if run.stdout]
        for run in runs:
            run.communicate()
        (tmp_path / "go").unlink()
        assert sorted(answers) == ["refused"] * 5 + ["taken"]
        assert list(tmp_path.iterdir()) == []


def test_the_lock_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    with locked(tmp_path):
        (tmp_path / NAME).unlink()
        write(tmp_path, pid=1, host="elsewhere")
    assert "elsewhere" in (tmp_path / NAME).read_text()


def test_a_lock_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"), locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []

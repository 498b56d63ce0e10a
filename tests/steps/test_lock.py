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

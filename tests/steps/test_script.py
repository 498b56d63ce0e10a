"""The training scripts on the command line, before any training."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.steps.corpus import arguments, make_corpus

BEGUN = """
import sys
from steps import script, train_dnn

run = script._run


def told(*words):
    print(flush=True)
    return run(*words)


script._run = told
sys.exit(train_dnn.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.15])
def test_ctrl_c_at_the_start_ends_with_one_line(tmp_path: Path, delay: float) -> None:
    words = [sys.executable, "-c", BEGUN, *arguments(make_corpus(tmp_path / "t"))]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None and run.stderr is not None
        run.stdout.readline()
        time.sleep(delay)
        run.send_signal(signal.SIGINT)
        assert run.wait(20) == 130
        assert "Traceback" not in (said := run.stderr.read())
        assert said.splitlines()[-1].endswith(
            ("train_dnn.py: stopped", "the same command continues this run")
        )

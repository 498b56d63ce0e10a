"""What tests share: the folder of shared data, Kaldi's programs, a seeded generator."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.emulation.fixtures import emulated  # noqa: F401 - a fixture

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data: PYNNET3_SHARED, or `shared` beside the repository."""
    folder = Path(os.environ.get("PYNNET3_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"needs the shared data in {folder}; set PYNNET3_SHARED")
    return folder


@pytest.fixture(scope="session")
def kaldi() -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Runs a program of Kaldi's: `kaldi("copy-feats", "ark:a", "ark:b")`; skips when there is none.

    Looked for in the directories of KALDI_BIN (separated by colons), then on PATH, where our own programs of
    the same name do not count. A failure raises CalledProcessError unless `check=False`.
    """

    def run(program: str, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        path = _find(program)
        if path is None:
            pytest.skip(f"needs Kaldi's {program} on PATH or in KALDI_BIN")
        return subprocess.run([path, *map(str, arguments)], capture_output=True, check=check)

    return run


def _find(program: str) -> str | None:
    folders = [f for name in ("KALDI_BIN", "PATH") for f in os.environ.get(name, "").split(os.pathsep) if f]
    for folder in folders:
        path = shutil.which(program, path=folder)
        if path is not None and not _is_script(path):
            return path
    return None


def _is_script(path: str) -> bool:
    """Whether a program is a script, as ours are; Kaldi's are compiled."""
    with open(path, "rb") as stream:
        return stream.read(2) == b"#!"


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator seeded with 1."""
    return np.random.default_rng(1)

"""A finished training on the tiny corpus, made once."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from steps.train_dnn import main
from tests.steps.corpus import arguments, make_corpus


@dataclass(frozen=True)
class Trained:
    """The corpus below `top`, and the experiment trained on it."""

    top: Path

    @property
    def dir(self) -> Path:
        return self.top / "exp"

    @property
    def final(self) -> bytes:
        return (self.dir / "final.mdl").read_bytes()

    def copy(self, to: Path) -> list[str]:
        """A command line for the same training in a fresh directory `to`."""
        shutil.copytree(
            self.dir / "configs", to / "configs", symlinks=False, ignore=shutil.ignore_patterns("*.vec")
        )
        return arguments(self.top, f"--dir={to}")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A whole training, nothing cleaned up but models that are not needed."""
    top = make_corpus(tmp_path_factory.mktemp("tiny"))
    assert main(arguments(top)) == 0
    return Trained(top)

"""A finished chain training on the tiny corpus, made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from steps.chain.train import main
from tests.steps.chain.corpus import chain_arguments, make_chain_corpus
from tests.steps.conftest import Trained


class ChainTrained(Trained):
    """The corpus below `top`, and the experiment trained on it."""

    def copy(self, to: Path) -> list[str]:
        """A command line for the same training in a fresh directory `to`."""
        shutil.copytree(self.dir / "configs", to / "configs")
        return chain_arguments(self.top, f"--dir={to}")


@pytest.fixture(scope="session")
def chain_trained(tmp_path_factory: pytest.TempPathFactory) -> ChainTrained:
    """A whole training; its examples stay."""
    top = make_chain_corpus(tmp_path_factory.mktemp("chain"))
    assert main(chain_arguments(top, "--cleanup.remove-egs=false")) == 0
    return ChainTrained(top)

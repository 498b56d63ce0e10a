"""The workshop's files, made once and copied for each test that asks for them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.nnet.programs.workshop import make_files


@pytest.fixture(scope="session")
def stock(tmp_path_factory) -> Path:
    """The folder that is copied; nobody writes into it."""
    folder = tmp_path_factory.mktemp("stock")
    before = os.getcwd()
    os.chdir(folder)
    try:
        make_files(np.random.default_rng(1))
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def shop(stock, tmp_path, monkeypatch) -> Path:
    """The current directory, with small models, features, labels and examples that fit each other."""
    folder = tmp_path / "shop"
    shutil.copytree(stock, folder)
    monkeypatch.chdir(folder)
    return folder

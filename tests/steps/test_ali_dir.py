"""Alignment directories: any name will do, and what is wrong with their files is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from steps.ali_dir import AliDir
from tests.steps.corpus import FRAMES, UTTERANCES, make_corpus


def test_names_with_spaces_and_shell_characters_are_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    top = make_corpus(tmp_path / "t")
    (top / "ali").rename(tmp_path / "Bäche und $(touch x) ; touch y")
    ali = AliDir(Path("Bäche und $(touch x) ; touch y"))
    assert sum(len(ids) for _, ids in ali.alignments()) == FRAMES * UTTERANCES
    assert ali.num_pdfs == 2
    assert not (tmp_path / "x").exists() and not (tmp_path / "y").exists()


def test_a_count_that_is_no_number_is_named(tmp_path: Path) -> None:
    ali = make_corpus(tmp_path / "t") / "ali"
    (ali / "num_jobs").write_text("abc\n")
    with pytest.raises(ValueError, match="num_jobs should hold an integer, it holds 'abc'"):
        AliDir(ali).check()

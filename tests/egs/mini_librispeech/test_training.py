"""What both recipes for Mini LibriSpeech do: dry runs, what is called, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from egs.mini_librispeech import run, run_chain
from egs.mini_librispeech.places import frame_places
from egs.mini_librispeech.training import ivector_dim
from tests.egs.mini_librispeech.prepared import Main, names, prepare, shown


@pytest.mark.parametrize("main", [run.main, run_chain.main])
def test_a_dry_run_makes_nothing(main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(shown(main, [f"--s5={tmp_path}"], capsys)) == 3
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("main", [run.main, run_chain.main])
def test_what_kaldi_has_not_made_is_named_in_one_line(
    main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"--s5={tmp_path}"]) == 1
    line = (
        f"there is no {tmp_path}/data/train_clean_5_sp_hires/feats.scp: run local/nnet3/run_ivector_common.sh"
    )
    assert capsys.readouterr().err == f"error: {line} in {tmp_path}\n"


def test_what_a_dry_run_shows_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("kaldifst")
    prepare(frame_places(names(tmp_path / "s5")), states=3)
    words = [f"--s5={tmp_path / 's5'}", f"--dir={tmp_path / 'run'}"]
    called: list[list[str]] = []
    monkeypatch.setattr(run.recipe, "call", lambda *command: called.append([*command]))
    assert run.main(words) == 0
    assert called == shown(run.main, words, capsys)


def test_ivectors_that_are_empty_are_refused(tmp_path: Path) -> None:
    (tmp_path / "ivector_online.scp").touch()
    with pytest.raises(ValueError, match=r"ivector_online\.scp is empty"):
        ivector_dim(tmp_path)

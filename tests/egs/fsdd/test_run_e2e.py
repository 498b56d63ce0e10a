"""The recipe from recordings and labels alone: what it calls, in which order, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from egs.fsdd import run_e2e
from nnet.formats.tree import read_tree

for package in ("kaldifst", "kaldi_decoder", "kaldialign", "kaldi_native_fbank"):
    pytest.importorskip(package)
soundfile = pytest.importorskip("soundfile")


@pytest.fixture
def wavs(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Four recordings of each of two digits by two speakers."""
    folder = tmp_path / "wavs"
    folder.mkdir()
    for speaker in ("ann", "bob"):
        for digit in (2, 7):
            for k in range(4):
                samples = rng.normal(0, 300, 3200 + 240 * k).astype(np.int16)
                soundfile.write(folder / f"{digit}_{speaker}_{k}.wav", samples, 8000)
    return folder


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "one of the arguments --recordings --download is required"),
        (["--recordings=x", "--type=triphone"], "invalid choice"),
    ],
)
def test_wrong_options_end_in_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        run_e2e.main(words)
    error = capsys.readouterr().err
    assert left.value.code == 1
    assert message in error
    assert error.count("\n") == 1


def test_a_missing_corpus_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_e2e.main(["--recordings=nowhere", f"--dir={tmp_path / 'run'}"]) == 1
    assert "--recordings=nowhere is no directory" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_stages_follow_from_each_other(
    wavs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []
    real = run_e2e.recipe.call

    def call(module: str, *arguments: str) -> None:
        called.append(module)
        if module.startswith("steps.chain.e2e.p"):
            real(module, *arguments)

    monkeypatch.setattr(run_e2e.recipe, "call", call)
    monkeypatch.setattr(run_e2e, "train", lambda data, ali, *more: called.append(f"train on {ali.name}"))
    rates = {"e2e": 9.0, "tdnn": 8.0}
    monkeypatch.setattr(run_e2e, "word_error_rate", lambda top, folder, *more: rates[folder.name])
    monkeypatch.setattr(run_e2e, "scores", lambda folder, model, names: {f"valid_{names[0]}": -0.5})
    top = tmp_path / "run"
    words = [f"--recordings={wavs}", f"--dir={top}", "--test-speaker=bob", "--type=biphone", "--passes=2"]
    assert run_e2e.main(words) == 0
    assert called == [
        "steps.chain.e2e.perturb",
        "steps.chain.e2e.prepare",
        "nnet.programs.xconfig_to_configs",
        "steps.chain.e2e.train_e2e",
        "steps.align_command",
        "steps.chain.build_tree",
        "train on tree",
        "steps.align_command",
        "train on ali1",
    ]
    pdfs = read_tree(str(top / "e2e_tree/tree")).num_pdfs
    assert f"dim={pdfs} " in (top / "e2e/configs/network.xconfig").read_text()
    result = json.loads((top / "result.json").read_text())
    assert (result["wer"], result["tdnn_wer"], result["tdnn_valid_log-likelihood"]) == (9.0, 8.0, -0.5)
    assert "bob" not in (top / "data/train_e2e/text").read_text()
    assert len((top / "lang/topo").read_text()) != len((top / "lang_chain/topo").read_text())

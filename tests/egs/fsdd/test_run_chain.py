"""The recipe for LF-MMI on recorded digits: what it needs, and what it tells the training script."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from egs.fsdd import run_chain
from nnet.formats.tree import monophone_tree, write_tree
from steps.chain.options import LatticeOptions
from steps.options import parse

LINE = "LOG (nnet3-chain-compute-prob) Overall log-probability for '{}' is {} per frame, over 9 frames.\n"


@pytest.fixture
def kaldi_dirs(tmp_path: Path) -> Path:
    """Directories of Kaldi's, files empty but for the tree."""
    for name in run_chain.PREPARED:
        (tmp_path / "k" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "k" / name).touch()
    write_tree(monophone_tree({1: 2}), str(tmp_path / "k/chain/tree/tree"))
    return tmp_path / "k"


def test_missing_files_are_named(kaldi_dirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (kaldi_dirs / "chain/lats/lat.1.gz").unlink()
    assert run_chain.main([f"--kaldi={kaldi_dirs}", "--no-decode"]) == 1
    assert f"there is no {kaldi_dirs}/chain/lats/lat.1.gz" in capsys.readouterr().err


@pytest.mark.parametrize("egs", [[], ["--egs=elsewhere"]])
def test_training_is_called_and_its_scores_are_kept(
    kaldi_dirs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    egs: list[str],
) -> None:
    called: list[tuple[str, ...]] = []

    def call(*command: str) -> None:
        called.append(command)
        log = tmp_path / "run/tdnnf/log"
        log.mkdir(exist_ok=True)
        for name in ("train", "valid"):
            text = LINE.format("output", "-0.05") + LINE.format("output-xent", "-0.6")
            (log / f"compute_prob_{name}.final.log").write_text(text)

    monkeypatch.setattr(run_chain.recipe, "call", call)
    argv = [f"--kaldi={kaldi_dirs}", f"--dir={tmp_path}/run", "--no-decode", "--seed=3", *egs]
    assert run_chain.main(argv) == 0
    assert [c[0] for c in called] == ["nnet.programs.xconfig_to_configs", "steps.chain.train"]
    o = parse(LatticeOptions, called[1][1:])
    assert (o.num_jobs_final, o.num_epochs, o.srand) == (2, 6.0, 3)
    assert (o.xent_regularize, o.leaky_hmm_coefficient) == (0.1, 0.1)
    assert o.egs_dir == ("elsewhere" if egs else None)
    text = (tmp_path / "run/tdnnf/configs/network.xconfig").read_text()
    assert "dim=2 learning-rate-factor=5.0 l2-regularize=0.015" in text
    assert "held out -0.0500; cross-entropy branch -0.600, -0.600" in capsys.readouterr().out
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert (result["valid"], result["train_xent"]) == (-0.05, -0.6)


@pytest.mark.slow
def test_the_recipe_has_what_the_reference_data_have(shared: Path) -> None:
    assert all((shared / "fsdd" / name).is_file() for name in run_chain.PREPARED)

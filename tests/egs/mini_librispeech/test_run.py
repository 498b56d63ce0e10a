"""The nnet3 part for Mini LibriSpeech: the commands, the checks. The corpus itself is not at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from egs.mini_librispeech import run as mini
from nnet.factory import make_component
from nnet.formats.kinds import MATRIX
from nnet.formats.tables import TableWriter
from nnet.formats.tree import monophone_tree, write_tree
from nnet.graph.context import context
from nnet.graph.network import Nnet
from steps.decode_command import Options
from steps.options import parse
from steps.train_options import DnnOptions


def commands(words: list[str], capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The words of each command that a dry run shows."""
    assert mini.main([*words, "--dry-run"]) == 0
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_a_dry_run_shows_configs_training_and_decoding_and_makes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = commands([f"--s5={tmp_path}"], capsys)
    assert [words[2] for words in shown] == [
        "nnet.programs.xconfig_to_configs",
        "steps.train_dnn",
        "steps.decode_command",
    ]
    assert not list(tmp_path.iterdir())


def test_our_own_programs_understand_the_commands() -> None:
    options = mini.recipe.argparse.Namespace(num_epochs=4.0, jobs=3, seed=7, use_gpu="yes")
    _, training, decoding = mini.commands(mini.Places(Path("s5")), Path("d"), options)
    o = parse(DnnOptions, training[1:])
    assert (o.num_jobs_initial, o.num_jobs_final, o.srand, o.num_epochs) == (1, 3, 7, 4.0)
    assert o.feat_dir == "s5/data/train_clean_5_sp_hires"
    assert o.ali_dir == "s5/exp/tri3b_ali_train_clean_5_sp"
    assert o.online_ivector_dir == "s5/exp/nnet3/ivectors_train_clean_5_sp_hires"
    d = parse(Options, decoding[1:])
    assert (d.model, d.graph) == ("d/final.mdl", "s5/exp/tri3b/graph_tgsmall")
    assert d.online_ivector_dir == "s5/exp/nnet3/ivectors_dev_clean_2_hires"


def test_other_sets_and_models_are_found_where_kaldi_puts_them() -> None:
    places = mini.Places(Path("s5"), "train", "dev", "tri4")
    assert places.ali == Path("s5/exp/tri4_ali_train_sp")
    assert places.ivectors(places.test) == Path("s5/exp/nnet3/ivectors_dev_hires")


def test_each_missing_file_is_named_with_the_script_that_makes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = mini.Places(tmp_path)
    for path, maker in places.needed():
        assert mini.main([f"--s5={tmp_path}"]) == 1
        assert capsys.readouterr().err == f"error: there is no {path}: run {maker} in {tmp_path}\n"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_configs_are_made_from_what_kaldi_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("kaldifst")
    places = mini.Places(tmp_path / "s5")
    for path, _ in places.needed():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    write_tree(monophone_tree({1: 3, 2: 3}), str(places.ali / "tree"))
    ivectors = places.ivectors(places.data)
    with TableWriter(f"ark,scp:{ivectors}/iv.ark,{ivectors}/ivector_online.scp", MATRIX) as writer:
        writer.write("u", np.zeros((2, 30), np.float32))
    called = []
    monkeypatch.setattr(mini.recipe, "call", lambda *command: called.append(command[0]))
    run = tmp_path / "run"
    assert mini.main([f"--s5={tmp_path / 's5'}", f"--dir={run}", "--dim=16"]) == 0
    assert called == ["nnet.programs.xconfig_to_configs", "steps.train_dnn", "steps.decode_command"]
    monkeypatch.undo()
    mini.recipe.call(*mini.recipe.configs_command(run / "configs"))
    lines = [
        line.replace(
            "type=FixedAffineComponent matrix=", "type=FixedAffineComponent input-dim=230 output-dim=230 #"
        )
        for line in (run / "configs" / "ref.config").read_text().splitlines()
    ]
    nnet = Nnet.from_config(lines, make_component, rng=np.random.default_rng(0))
    assert context(nnet) == (16, 12)
    assert nnet.input_dim("ivector") == 30 and nnet.output_dim("output") == 6


def test_ivectors_that_are_empty_are_refused(tmp_path: Path) -> None:
    (tmp_path / "ivector_online.scp").touch()
    with pytest.raises(ValueError, match=r"ivector_online\.scp is empty"):
        mini.ivector_dim(tmp_path)

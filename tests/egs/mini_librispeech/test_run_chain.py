"""The chain part for Mini LibriSpeech: the commands, the checks, the network. The corpus is not at hand."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

from egs.mini_librispeech import run_chain as mini
from nnet.factory import make_component
from nnet.formats.kinds import MATRIX
from nnet.formats.tables import TableWriter
from nnet.formats.tree import monophone_tree, write_tree
from nnet.graph.context import context
from nnet.graph.network import Nnet
from steps.chain.options import LatticeOptions
from steps.decode_command import Options
from steps.options import parse


def test_a_dry_run_shows_configs_training_and_decoding_and_makes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mini.main([f"--s5={tmp_path}", "--dry-run"]) == 0
    shown = [line.split()[2] for line in capsys.readouterr().out.splitlines()]
    assert shown == ["nnet.programs.xconfig_to_configs", "steps.chain.train", "steps.decode_command"]
    assert not list(tmp_path.iterdir())


def test_our_own_programs_understand_the_commands() -> None:
    options = argparse.Namespace(num_epochs=20.0, jobs=5, seed=7, use_gpu="yes")
    _, training, decoding = mini.commands(mini.ChainPlaces(Path("s5")), Path("d"), options)
    o = parse(LatticeOptions, training[1:])
    assert (o.num_jobs_initial, o.num_jobs_final, o.srand, o.num_epochs) == (2, 5, 7, 20.0)
    assert (o.widths, o.minibatch, o.apply_deriv_weights) == ("140,100,160", "128,64", False)
    assert (o.tree_dir, o.lat_dir) == ("s5/exp/chain/tree_sp", "s5/exp/chain/tri3b_train_clean_5_sp_lats")
    assert o.lm_opts == "--num-extra-lm-states=2000"
    d = parse(Options, decoding[1:])
    assert (d.model, d.graph) == ("d/final.mdl", "s5/exp/chain/tree_sp/graph_tgsmall")


def test_each_missing_file_is_named_with_the_script_that_makes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, maker in mini.ChainPlaces(tmp_path).needed():
        assert mini.main([f"--s5={tmp_path}"]) == 1
        assert capsys.readouterr().err == f"error: there is no {path}: run {maker} in {tmp_path}\n"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_the_network_has_a_branch_for_cross_entropy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("kaldifst")
    places = mini.ChainPlaces(tmp_path / "s5")
    for path, _ in places.needed():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    write_tree(monophone_tree({1: 2, 2: 2}), str(places.tree / "tree"))
    ivectors = places.ivectors(places.data)
    with TableWriter(f"ark,scp:{ivectors}/iv.ark,{ivectors}/ivector_online.scp", MATRIX) as writer:
        writer.write("u", np.zeros((2, 30), np.float32))
    called = []
    monkeypatch.setattr(mini.recipe, "call", lambda *command: called.append(command[0]))
    run = tmp_path / "run"
    assert mini.main([f"--s5={tmp_path / 's5'}", f"--dir={run}", "--dim=256"]) == 0
    assert called == ["nnet.programs.xconfig_to_configs", "steps.chain.train", "steps.decode_command"]
    monkeypatch.undo()
    mini.recipe.call(*mini.recipe.configs_command(run / "configs"))
    text = (run / "configs" / "final.config").read_text()
    lines = text.replace("FixedAffineComponent matrix=", "FixedAffineComponent input-dim=40 output-dim=40 #")
    nnet = Nnet.from_config(lines.splitlines(), make_component, rng=np.random.default_rng(0))
    assert context(nnet) == (29, 29)
    assert nnet.output_dim("output") == nnet.output_dim("output-xent") == 4
    assert nnet.input_dim("ivector") == 30

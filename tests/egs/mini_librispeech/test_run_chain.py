"""The chain part for Mini LibriSpeech: the commands and the network. The corpus itself is not at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from egs.mini_librispeech import run_chain as mini
from egs.mini_librispeech.places import chain_places
from nnet.graph.context import context
from steps.chain.options import LatticeOptions
from steps.decode_command import Options
from steps.options import parse
from tests.egs.mini_librispeech.prepared import IVECTOR_DIM, names, network, prepare, shown


def test_our_own_programs_understand_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    configs, training, decoding = shown(mini.main, ["--s5=s5", "--dir=d", "--seed=7"], capsys)
    assert (configs[0], training[0]) == ("nnet.programs.xconfig_to_configs", "steps.chain.train")
    o = parse(LatticeOptions, training[1:])
    assert (o.num_jobs_initial, o.num_jobs_final, o.srand, o.num_epochs) == (2, 5, 7, 20.0)
    assert (o.widths, o.minibatch, o.apply_deriv_weights) == ("140,100,160", "128,64", False)
    assert (o.tree_dir, o.lat_dir) == ("s5/exp/chain/tree_sp", "s5/exp/chain/tri3b_train_clean_5_sp_lats")
    assert o.lm_opts == "--num-extra-lm-states=2000"
    d = parse(Options, decoding[1:])
    assert decoding[0] == "steps.decode_command"
    assert (d.model, d.graph) == ("d/final.mdl", "s5/exp/chain/tree_sp/graph_tgsmall")
    assert d.frames_per_chunk == 140


def test_the_network_has_a_branch_for_cross_entropy(tmp_path: Path) -> None:
    places = chain_places(names(tmp_path / "s5"))
    prepare(places, states=2)
    nnet = network(mini.main, places, tmp_path / "run", 256, "final.config", lda_dim=40)
    assert context(nnet) == (29, 29)
    assert nnet.output_dim("output") == nnet.output_dim("output-xent") == 4
    assert nnet.input_dim("ivector") == IVECTOR_DIM

"""The nnet3 part for Mini LibriSpeech: the commands and the network. The corpus itself is not at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from egs.mini_librispeech import run as mini
from egs.mini_librispeech.places import frame_places
from nnet.graph.context import context
from steps.decode_command import Options
from steps.options import parse
from steps.train_options import DnnOptions
from tests.egs.mini_librispeech.prepared import IVECTOR_DIM, names, network, prepare, shown


def test_our_own_programs_understand_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--s5=s5", "--dir=d", "--jobs=3", "--seed=7"]
    configs, training, decoding = shown(mini.main, words, capsys)
    assert (configs[0], training[0]) == ("nnet.programs.xconfig_to_configs", "steps.train_dnn")
    o = parse(DnnOptions, training[1:])
    assert (o.num_jobs_initial, o.num_jobs_final, o.srand, o.num_epochs) == (1, 3, 7, 4.0)
    assert o.feat_dir == "s5/data/train_clean_5_sp_hires"
    assert o.ali_dir == "s5/exp/tri3b_ali_train_clean_5_sp"
    assert o.online_ivector_dir == "s5/exp/nnet3/ivectors_train_clean_5_sp_hires"
    d = parse(Options, decoding[1:])
    assert (decoding[0], d.model, d.graph) == (
        "steps.decode_command",
        "d/final.mdl",
        "s5/exp/tri3b/graph_tgsmall",
    )
    assert d.online_ivector_dir == "s5/exp/nnet3/ivectors_dev_clean_2_hires"


def test_configs_are_made_from_what_kaldi_left(tmp_path: Path) -> None:
    places = frame_places(names(tmp_path / "s5"))
    prepare(places, states=3)
    nnet = network(mini.main, places, tmp_path / "run", 16, "ref.config", lda_dim=230)
    assert context(nnet) == (16, 12)
    assert nnet.input_dim("ivector") == IVECTOR_DIM and nnet.output_dim("output") == 6

"""What Kaldi leaves, in small, and what the recipes for Mini LibriSpeech make of it."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from egs import recipe
from egs.mini_librispeech.places import Places
from nnet.factory import make_component
from nnet.formats.kinds import MATRIX
from nnet.formats.tables import TableWriter
from nnet.formats.tree import monophone_tree, write_tree
from nnet.graph.network import Nnet

Main = Callable[[list[str]], int]
IVECTOR_DIM = 30


def names(s5: Path) -> Namespace:
    """The options that say where Kaldi's scripts leave things, as they are unless told."""
    return Namespace(s5=s5, train_set="train_clean_5", test_set="dev_clean_2", gmm="tri3b")


def prepare(places: Places, states: int) -> None:
    """Files empty but for the tree of two phones with so many states, and i-vectors of one utterance."""
    for path in places.needed():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    write_tree(monophone_tree({1: states, 2: states}), str(places.tree))
    folder = places.train.ivectors
    with TableWriter(f"ark,scp:{folder}/iv.ark,{folder}/ivector_online.scp", MATRIX) as writer:
        writer.write("u", np.zeros((2, IVECTOR_DIM), np.float32))


def shown(main: Main, words: list[str], capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The programs that a dry run shows, each with its arguments."""
    assert main([*words, "--dry-run"]) == 0
    return [shlex.split(line)[2:] for line in capsys.readouterr().out.splitlines()]


def network(main: Main, places: Places, folder: Path, dim: int, config: str, lda_dim: int) -> Nnet:
    """The network, with layers of `dim`, that the recipe describes in `folder`; nothing is trained."""
    pytest.importorskip("kaldifst")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "call", lambda *command: None)
        assert main([f"--s5={places.s5}", f"--dir={folder}", f"--dim={dim}"]) == 0
    recipe.call(*recipe.configs_command(folder / "configs"))
    lda = f"FixedAffineComponent input-dim={lda_dim} output-dim={lda_dim} #"  # its matrix is not there
    text = (folder / "configs" / config).read_text().replace("FixedAffineComponent matrix=", lda)
    return Nnet.from_config(text.splitlines(), make_component, rng=np.random.default_rng(0))

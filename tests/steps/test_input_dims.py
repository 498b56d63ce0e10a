"""Features and i-vectors that do not fit the network are told before examples are made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnet.formats.kinds import MATRIX
from nnet.formats.tables import TableWriter
from steps.input_dims import check_inputs
from steps.options import parse
from steps.train_options import DnnOptions
from tests.steps.corpus import UTTERANCES, arguments, make_corpus


def options(top: Path, *more: str) -> DnnOptions:
    return parse(DnnOptions, arguments(top, *more))


def add_input(top: Path, line: str) -> None:
    path = top / "exp/configs/final.config"
    path.write_text(f"{line}\n" + path.read_text())


def write_ivectors(top: Path, count: int = UTTERANCES, dim: int = 3) -> str:
    names = [line.split()[0] for line in (top / "data/feats.scp").read_text().splitlines()]
    (top / "iv").mkdir()
    (top / "iv/ivector_period").write_text("10\n")
    with TableWriter(f"ark,scp:{top}/iv/a.ark,{top}/iv/ivector_online.scp", MATRIX) as writer:
        for name in names[:count]:
            writer.write(name, np.zeros((3, dim), np.float32))
    return f"--feat.online-ivector-dir={top}/iv"


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return make_corpus(tmp_path / "t")


def test_what_fits_is_let_pass(top: Path) -> None:
    check_inputs(options(top))
    add_input(top, "input-node name=ivector dim=3  # of the speaker")
    check_inputs(options(top, write_ivectors(top)))


def test_features_of_another_dim_are_told(top: Path) -> None:
    path = top / "exp/configs/final.config"
    path.write_text(path.read_text().replace("name=input dim=4", "name=input dim=40"))
    with pytest.raises(ValueError, match=r"input 'input' has dim 40, the features in .*feats.scp have dim 4"):
        check_inputs(options(top))


def test_dimensions_to_skip_must_exist(top: Path) -> None:
    with pytest.raises(ValueError, match=r"features of dim 4 have no dimension 99"):
        check_inputs(options(top, "--feat.cmvn-opts=--skip-dims=99"))


@pytest.mark.parametrize(
    ("node", "count", "dim", "message"),
    [
        ("", UTTERANCES, 3, "input 'ivector' does not exist, the i-vectors in .* have dim 3"),
        ("input-node name=ivector dim=3", UTTERANCES, 5, "'ivector' has dim 3, the i-vectors in .* dim 5"),
        ("input-node name=ivector dim=3", 8, 3, "2 of 10 utterances with features have no i-vectors"),
        ("input-node name=ivector dim=x", 8, 3, "line 1: dim='x' of an input-node must be a number"),
    ],
)
def test_ivectors_that_do_not_fit_are_told(top: Path, node: str, count: int, dim: int, message: str) -> None:
    add_input(top, node)
    with pytest.raises(ValueError, match=message):
        check_inputs(options(top, write_ivectors(top, count, dim)))


def test_ivectors_that_the_network_wants_are_asked_for(top: Path) -> None:
    add_input(top, "input-node name=ivector dim=3")
    with pytest.raises(ValueError, match=r"input 'ivector' of dim 3: give --feat.online-ivector-dir"):
        check_inputs(options(top))
    directory = write_ivectors(top)
    (top / "iv/ivector_period").write_text("x\n")
    with pytest.raises(ValueError, match=r"ivector_period should hold an integer, it holds 'x'"):
        check_inputs(options(top, directory))
    (top / "iv/ivector_period").unlink()
    with pytest.raises(ValueError, match=r"there is no .*ivector_period"):
        check_inputs(options(top, directory))


def test_nothing_is_looked_at_once_examples_exist(top: Path) -> None:
    (top / "data/feats.scp").unlink()
    with pytest.raises(ValueError, match=r"there is no .*feats.scp"):
        check_inputs(options(top))
    (top / "exp/egs/info").mkdir(parents=True)
    (top / "exp/egs/info/num_archives").write_text("1\n")
    check_inputs(options(top))

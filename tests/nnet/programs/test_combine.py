"""nnet3-combine: which models are averaged, by Kaldi's numbers and by its log."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from nnet.formats.model import read_nnet, write_nnet
from tests.nnet.programs.workshop import GOLDEN, log_lines, parameters, run, settled

PATTERN = r"Combining (\d+) nnets, objective function changed from (\S+) to (\S+)"


def combined(log: str) -> tuple[int, float, float]:
    """Number of models, first and best objective in a log."""
    count, first, best = re.search(PATTERN, log).groups()
    return int(count), float(first), float(best)


@pytest.mark.parametrize("options", ["", "--max-objective-evaluations=2 "])
@pytest.mark.parametrize(
    "models", ["train_sgd.raw train_l2.raw train_momentum.raw 0.raw", "0.raw train_sgd.raw"]
)
def test_the_combination_is_kaldis(options, models, tmp_path, monkeypatch, capfd, kaldi):
    monkeypatch.chdir(GOLDEN)
    words = f"{options}{models} ark:egs.ark"
    theirs = kaldi("nnet3-combine", *words.split(), tmp_path / "theirs").stderr.decode()
    assert run(f"nnet3-combine {words} {tmp_path}/ours") == 0
    ours = capfd.readouterr().err
    assert combined(ours) == pytest.approx(combined(theirs), rel=1e-5)
    pattern = r"Combining last (\d+) models, objective function is (\S+)"
    assert [n for n, _ in re.findall(pattern, ours)] == [n for n, _ in re.findall(pattern, theirs)]
    a, b = parameters(tmp_path / "ours"), parameters(tmp_path / "theirs")
    for key, value in b.items():
        np.testing.assert_allclose(a[key], value, rtol=1e-5, atol=1e-6)


def test_log_lines_name_every_objective_that_was_computed(shop, capfd):
    assert run("nnet3-combine raw raw2 raw2 ark:egs out") == 0
    lines = log_lines(capfd.readouterr().err)
    assert lines[0] == "Read 3 examples."
    assert re.fullmatch(r"objective function using the last model is -\d\.\d+", lines[1])
    assert re.fullmatch(r"Combining last 2 models, objective function is -\d\.\d+", lines[2])
    assert re.fullmatch(r"Combining last 3 models, objective function is -\d\.\d+", lines[3])
    assert re.fullmatch(PATTERN, lines[4])
    assert lines[-1] == "Finished combining neural nets, wrote model to out"


def test_batch_norm_statistics_are_those_of_the_examples(shop, capfd):
    assert run("nnet3-combine --binary=false raw raw2 ark:egs out") == 0
    assert read_nnet("out").components["h1.batchnorm"].count == 72
    assert Path("out").read_text().startswith("<Nnet3> \n")
    log = capfd.readouterr().err
    assert "Recomputing stats on nnet (affects batch-norm)" in log and "Done recomputing stats." in log


def test_the_mode_of_batch_norm_decides_the_objective(shop, capfd):
    figures = []
    for mode in ("false", "true"):
        assert run(f"nnet3-combine --batchnorm-test-mode={mode} raw ark:egs out") == 0
        figures.append(combined(capfd.readouterr().err))
    assert figures[0][0] == figures[1][0] == 1 and figures[0][1] != figures[1][1]


def test_dropout_is_off_unless_told(shop, capfd):
    dropping = settled()
    dropping.components["h1.dropout"].test_mode = False
    dropping.components["h1.dropout"].dropout_proportion = 0.5
    write_nnet(dropping, "raw")
    figures = []
    for mode in ("false", "true"):
        assert run(f"nnet3-combine --dropout-test-mode={mode} raw ark:egs out") == 0
        figures.append(combined(capfd.readouterr().err)[1])
    assert figures[0] != figures[1]
    assert not read_nnet("out").components["h1.dropout"].test_mode

"""nnet3-average: Kaldi's averages, weights, log lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnet.formats.model import read_nnet
from tests.nnet.programs.workshop import GOLDEN, log_lines, parameters, run


def test_the_average_is_kaldis(tmp_path, monkeypatch):
    monkeypatch.chdir(GOLDEN)
    models = "train_sgd.raw train_l2.raw train_momentum.raw"
    assert run(f"nnet3-average --weights=0.2:0.3:0.5 {models} {tmp_path}/out") == 0
    ours, theirs = parameters(tmp_path / "out"), parameters("average.raw")
    for key, value in theirs.items():
        np.testing.assert_allclose(ours[key], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "parts"),
    [
        ("", (0.5, 0.5)),
        ("--weights=1:3", (0.25, 0.75)),
        ("--weights=0.9:0.1", (0.9, 0.1)),
        ("--weights=-1:2", (-1, 2)),
    ],
)
def test_weights_are_normalised(shop, capfd, weights, parts):
    assert run(f"nnet3-average {weights} raw raw2 out".replace("  ", " ")) == 0
    a, b, out = parameters("raw"), parameters("raw2"), parameters("out")
    for key, value in out.items():
        np.testing.assert_allclose(value, parts[0] * a[key] + parts[1] * b[key], rtol=1e-5, atol=1e-6)
    log = capfd.readouterr().err
    assert "Averaged parameters of 2 neural nets, and wrote to out" in log_lines(log)
    assert ("Normalizing weights to sum to one, sum was 4" in log) == (weights == "--weights=1:3")


def test_statistics_are_averaged_too(shop):
    assert run("nnet3-average raw raw2 out") == 0
    norms = [read_nnet(n).components["h1.batchnorm"] for n in ("raw", "raw2", "out")]
    assert norms[2].count == 100
    np.testing.assert_allclose(norms[2].stats_sum, (norms[0].stats_sum + norms[1].stats_sum) / 2, rtol=1e-6)


def test_one_model_stays_as_it_is_and_may_become_text(shop):
    assert run("nnet3-average raw out") == run("nnet3-copy raw copy") == 0
    assert Path("out").read_bytes() == Path("copy").read_bytes()
    assert run("nnet3-average --binary=false --num-threads=3 raw raw out") == 0
    assert Path("out").read_text().startswith("<Nnet3> \n")


def test_models_with_statistics_are_averaged_as_by_kaldi(shop, kaldi):
    assert run("nnet3-average --weights=1:3 raw raw2 ours") == 0
    kaldi("nnet3-average", "--weights=1:3", "raw", "raw2", "theirs")
    ours, theirs = parameters("ours"), parameters("theirs")
    for key, value in theirs.items():
        np.testing.assert_allclose(ours[key], value, rtol=1e-6, atol=1e-7)

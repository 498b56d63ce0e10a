"""The picture of a training."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from egs.picture import main

SVG = "{http://www.w3.org/2000/svg}"


def score(log: Path, likelihood: float, accuracy: float) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    start, end = "LOG (nnet3-compute-prob[x]:F():f.cc:0) Overall", "per frame, over 9 frames.\n"
    log.write_text(
        f"{start} log-likelihood for 'output' is {likelihood} {end}"
        f"{start} accuracy for 'output' is {accuracy} {end}"
    )


def test_the_picture_has_two_curves_in_each_of_two_charts_and_says_what_came_out(tmp_path: Path) -> None:
    for name, value in (("0", -4.0), ("1", -1.0), ("2", -0.5), ("combined", -0.4)):
        score(tmp_path / "log" / f"compute_prob_train.{name}.log", value, 0.9)
        score(tmp_path / "log" / f"compute_prob_valid.{name}.log", 1.2 * value, 0.8)
    (tmp_path / "decode_test").mkdir()
    (tmp_path / "decode_test" / "wer").write_text("%WER 7.80 [ 39 / 500, 0 ins, 0 del, 39 sub ]\n")
    assert main([str(tmp_path), str(tmp_path / "p.svg")]) == 0
    root = ElementTree.parse(tmp_path / "p.svg").getroot()
    charts = root.findall(f"{SVG}svg")
    assert [len(c.findall(f"{SVG}polyline")) for c in charts] == [2, 2]
    title = "held out, final model: 80.0 % of frames right; unseen voices: word error rate 7.80 %"
    assert root.get("aria-label") == title
    assert "var(" not in (tmp_path / "p.svg").read_text()


def test_an_experiment_without_scores_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), str(tmp_path / "p.svg")]) == 1
    assert "has no scores in its log directory" in capsys.readouterr().err
    assert not (tmp_path / "p.svg").exists()

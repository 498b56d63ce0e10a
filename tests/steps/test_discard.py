"""What is discarded when a run begins again at an iteration."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from steps.discard import WORK_FILES, discard_from
from steps.experiment import STAGES, Experiment, Stage, write_json


def test_nothing_is_discarded_where_the_model_to_begin_at_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / "3.mdl").write_bytes(b"")
    with pytest.raises(ValueError, match=r"would begin at .*/4\.mdl, which does not exist; .* \(3\)"):
        discard_from(Experiment(tmp_path), 4)
    assert (tmp_path / "3.mdl").exists()


def test_discarding_from_an_iteration_keeps_what_comes_before(tmp_path: Path) -> None:
    exp = Experiment(tmp_path)
    (tmp_path / STAGES).mkdir()
    (tmp_path / "progress").mkdir()
    (tmp_path / "log").mkdir()
    stages = {"examples": -4, "0.mdl": -1, "x": 0, "final.mdl": 10**6}
    for name, number in stages.items():
        Stage(name, number, (), {}).begin(tmp_path)
    (tmp_path / STAGES / "damaged.json").write_text("{")
    for n in range(5):
        exp.model(n).write_bytes(b"")
        exp.log(f"compute_prob_valid.{n}").write_text("")
        write_json(exp.record(n), {})
    for pattern in WORK_FILES:
        (tmp_path / re.sub(r"\[0-9\]\*|\*", "1", pattern)).write_bytes(b"")
    for name in ("combined.mdl", "final.mdl", "log/compute_prob_valid.final.log", "log/train.1.1.log"):
        (tmp_path / name).write_bytes(b"")
    discard_from(exp, 2)
    left = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert left == [
        ".stages/0.mdl.json",
        ".stages/examples.json",
        "0.mdl",
        "1.mdl",
        "2.mdl",
        "log/compute_prob_valid.0.log",
        "log/compute_prob_valid.1.log",
        "log/train.1.1.log",
        "progress/0.json",
        "progress/1.json",
    ]

"""The benchmark of the denominator runs, on the host and on the emulated device."""

import pytest

from benchmarks import chain_objective
from benchmarks.step_job import Network
from tests.benchmarks.test_train_step import XCONFIG


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.setattr(chain_objective, "PHONES", range(1, 6))
    monkeypatch.setattr(chain_objective, "NETWORK", Network("tdnn", 2, 3))
    (tmp_path / "tdnn.xconfig").write_text(XCONFIG)
    return ["--networks", str(tmp_path), "--repeats", "1"]


def figures(capsys):
    return [float(cell) for cell in capsys.readouterr().out.splitlines()[-1].split("|")[1:-1]]


def test_on_the_host(small, capsys):
    assert chain_objective.main(small) == 0
    states, arcs, _, ours, frame, step, ratio = figures(capsys)
    assert 1 < states < arcs and min(ours, frame, step, ratio) > 0


def test_on_a_device(small, capsys, emulated, monkeypatch):
    assert chain_objective.main([*small, "--gpu"]) == 0
    assert min(figures(capsys)[3:]) >= 0


def test_without_a_gpu_nothing_is_measured(small, capsys, monkeypatch):
    monkeypatch.setattr(chain_objective, "gpu_available", lambda: False)
    assert chain_objective.main([*small, "--gpu"]) == 1
    assert "no GPU can be used" in capsys.readouterr().err

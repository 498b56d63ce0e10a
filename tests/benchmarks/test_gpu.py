"""The benchmark for GPUs, on the emulated one: every part runs, and PyTorch's networks learn."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import gpu
from benchmarks.step_job import Network, prepare
from nnet.examples.stream import read_minibatches
from tests.benchmarks.test_train_step import XCONFIG

LSTM = """
input dim=6 name=input
relu-batchnorm-layer name=tdnn1 dim=8 input=Append(-2,-1,0,1,2)
fast-lstmp-layer name=lstm1 cell-dim=8 recurrent-projection-dim=4 non-recurrent-projection-dim=4 delay=-3
relu-batchnorm-layer name=tdnn2 dim=8 input=Append(-3,0,3)
fast-lstmp-layer name=lstm2 cell-dim=8 recurrent-projection-dim=4 non-recurrent-projection-dim=4 delay=-3
output-layer name=output dim=5
"""
NETWORKS = {"tdnn": (XCONFIG, Network("tdnn", 3, 4)), "lstm": (LSTM, Network("lstm", 3, 6, extra_left=6))}


@pytest.fixture(params=sorted(NETWORKS))
def network(request, tmp_path):
    text, network = NETWORKS[request.param]
    (tmp_path / f"{network.name}.xconfig").write_text(text)
    return network


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Two small networks, few steps, PyTorch on the CPU."""
    for text, network in NETWORKS.values():
        (tmp_path / f"{network.name}.xconfig").write_text(text)
    monkeypatch.setattr(gpu, "NETWORKS", tuple(network for _, network in NETWORKS.values()))
    monkeypatch.setattr(gpu, "TORCH_DEVICE", "cpu")
    monkeypatch.setattr(gpu, "WARM_UP", 14)
    return tmp_path


@pytest.mark.slow
def test_everything_is_measured_and_written(small, emulated, monkeypatch, capsys):
    pytest.importorskip("torch", reason="needs the extra bench")
    tested = []
    passed = SimpleNamespace(run=lambda words, **how: tested.append(words) or SimpleNamespace(returncode=0))
    monkeypatch.setattr(gpu, "subprocess", passed)
    arguments = ["--networks", str(small), "--output", str(small / "figures.md"), "--steps", "1"]
    assert gpu.main(arguments) == 0
    assert {w for w in tested[0] if w.startswith("tests/")} == set(gpu.TESTS)
    assert all((gpu.HERE.parent / name).exists() for name in gpu.TESTS)
    said, _, head, _, *rows = (small / "figures.md").read_text().splitlines()
    assert said.startswith("emulated (driver 12080") and f"--networks {small}" in said
    assert capsys.readouterr().out.splitlines()[-len(rows) :] == rows
    assert head.split("|")[1].strip() == "network"
    for row, name in zip(rows, NETWORKS, strict=True):
        cells = dict(zip(gpu.COLUMNS, (cell.strip() for cell in row.split("|")[1:-1]), strict=True))
        assert cells["network"] == name
        assert all(float(v.rstrip("%")) > 0 for key, v in cells.items() if key != "network"), cells


@pytest.mark.slow
def test_what_there_is_no_time_for_is_said(small, emulated, monkeypatch):
    monkeypatch.setattr(gpu, "PATIENCE", -1.0)
    out = small / "figures.md"
    assert gpu.main(["--networks", str(small), "--output", str(out), "--no-tests", "--only", "lstm"]) == 0
    assert out.read_text().endswith("lstm: not measured, time was up\n")


@pytest.mark.slow
def test_pytorch_learns(network, tmp_path):
    pytest.importorskip("torch", reason="needs the extra bench")
    nnet = prepare(network, tmp_path, tmp_path, (1, 1))
    batch = next(iter(read_minibatches(f"ark:{tmp_path}/few.ark", nnet)))
    step = gpu.torch_step(nnet, batch, "cpu")
    values = [step(True) for _ in range(4)]
    assert np.isfinite(values).all() and values[-1] > values[0]


def test_without_a_gpu_nothing_is_measured(monkeypatch, capsys):
    monkeypatch.setattr(gpu, "gpu_available", lambda: False)
    assert gpu.main(["--networks", "."]) == 1
    assert "no GPU can be used" in capsys.readouterr().err

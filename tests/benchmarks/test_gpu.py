"""The benchmark for GPUs, on the emulated one: every part runs, and PyTorch's networks learn."""

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


@pytest.mark.slow
def test_a_row_is_measured(tmp_path, emulated):
    text, network = NETWORKS["tdnn"]
    (tmp_path / "tdnn.xconfig").write_text(text)
    pytest.importorskip("torch", reason="needs the extra bench")
    row = gpu.measure(network, tmp_path, 1, "cpu")
    assert row[0] == network.name and len(row) == len(gpu.COLUMNS)
    assert all(float(figure) > 0 for figure in (row[1], row[2], row[4], row[5])) and row[3].endswith("%")


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

"""The benchmark programs run; nobody asserts a time."""

import pytest

from benchmarks import train_step
from benchmarks.floor import forward_products, products, sgemm_rate
from benchmarks.step_job import Network, prepare

XCONFIG = """
input dim=7 name=ivector
input dim=5 name=input
relu-batchnorm-layer name=a dim=8 input=Append(-1,0,1,ReplaceIndex(ivector, t, 0))
output-layer name=output dim=6
"""


@pytest.fixture
def xconfigs(tmp_path):
    folder = tmp_path / "networks"
    folder.mkdir()
    (folder / "tdnn.xconfig").write_text(XCONFIG)
    return folder


@pytest.mark.slow
def test_a_table_of_ratios_is_printed(xconfigs, capsys, monkeypatch):
    monkeypatch.setattr(train_step, "NETWORKS", (Network("tdnn", 4, 3),))
    monkeypatch.setattr(train_step, "COUNTS", (1, 3))
    assert train_step.main(["--networks", str(xconfigs), "--repeats", "1"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| tdnn")]
    assert len(rows) == 1 and "without natural gradient" in rows[0] and len(rows[0].split("|")) == 11


def test_the_floor_counts_the_products_of_the_plan(xconfigs, tmp_path):
    network = Network("tdnn", 4, 3)
    nnet = prepare(network, xconfigs, tmp_path / "job", (1, 1))
    assert products(nnet, network) == 2.0 * 12 * (8 * 22 * 2 + 6 * 8 * 3)
    assert forward_products(nnet, 5) == 2.0 * 5 * (8 * 22 + 6 * 8)
    assert sgemm_rate(64, 0.01) > 0

"""Config files and parameter counts that Kaldi made from the same xconfig files."""

from __future__ import annotations

import re

import pytest

from tests.xconfig.lines import config
from xconfig.parser import parse_xconfig
from xconfig.reference import num_parameters

CASES = (
    "attention", "cnn_plain", "cnn_tdnn", "descriptors", "fast_gru", "fast_lstmp", "ff_idct_lda_ivector",
    "ff_relu_batchnorm_l2", "ff_relu_renorm", "ff_sigmoid_tanh", "front_end", "gru", "lstm", "resnet",
    "stats_tdnn",
    "tdnn_bottleneck_output", "tdnnf", "two_outputs_objectives", "xvector",
)  # fmt: skip


@pytest.fixture(params=CASES)
def case(request, shared):
    return shared / "golden/cases" / request.param


def test_config_lines_are_kaldis(case, shared):
    text = (shared / "golden/xconfig" / f"{case.name}.xconfig").read_text()
    network = parse_xconfig(text.split("\n"), case.name)
    for name in ("init", "ref", "final"):
        file = case / f"{name}.config"
        if file.exists():
            assert config(network.configs[name]) == config(file.read_text().split("\n")), name


def test_number_of_parameters_is_kaldis(case):
    info = (case / "info.txt").read_text()
    used = set(re.findall(r"^component name=(\S+)", info, re.M))
    lines = (case / "final.config").read_text().split("\n")
    trained = [line for line in lines if any(f"component name={name} " in line for name in used)]
    assert num_parameters(trained) == int(re.search(r"num-parameters: (\d+)", info)[1])

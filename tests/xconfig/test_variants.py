"""Every layer type with many of its options, held against lines that Kaldi's own parser made."""

from __future__ import annotations

import json

import pytest

from tests.xconfig.lines import config
from tests.xconfig.variants import GOLDEN, LINES, of_layer, text_of
from xconfig.generate import expanded
from xconfig.layer import LAYERS
from xconfig.parser import parse_xconfig


@pytest.fixture(scope="module")
def golden() -> dict[str, dict[str, list[str]]]:
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_every_layer_type_is_held_against_kaldi():
    assert set(LAYERS) == {line.split()[0] for line in LINES} | {"input"}


@pytest.mark.parametrize("line", LINES)
def test_lines_of_all_configs_are_kaldis_in_order(line, golden):
    network = parse_xconfig(text_of(line).split("\n"))
    for name, lines in network.configs.items():
        assert config(of_layer(lines)) == config(golden[line].get(name, golden[line]["final"])), name


@pytest.mark.parametrize("line", LINES)
def test_both_expansions_are_kaldis(line, golden):
    layers = parse_xconfig(text_of(line).split("\n")).layers
    for name, normalised in (("expanded.1", False), ("expanded.2", True)):
        lines = of_layer([expanded(layer, normalised) for layer in layers])
        assert config(lines) == config(golden[line][name])

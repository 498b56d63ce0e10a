"""The text of nnet3-info: head, nodes and components."""

from __future__ import annotations

import re

import pytest

from nnet.formats.model import read_nnet
from nnet.graph.context import context, left_context, right_context
from nnet.graph.info import nnet_info
from tests.nnet.graph.test_golden import CASES
from tests.nnet.graph.toys import toy_net


def head(info: str) -> list[str]:
    """Everything but the figures of components."""
    short = [
        re.sub(r"(type=\w+, (?:input-dim=\d+, )?(?:output-)?dim=\d+).*", r"\1", x) for x in info.splitlines()
    ]
    return [line.rstrip(" ,") for line in short]


@pytest.mark.parametrize("name", CASES)
def test_the_text_is_that_of_nnet3_info(name, shared):
    case = shared / "golden" / "cases" / name
    assert head(nnet_info(read_nnet(str(case / "0.raw")))) == head((case / "info.txt").read_text())


def test_contexts_are_shown_of_simple_networks_only():
    assert nnet_info(toy_net("input 3\noutput < Offset(input, 2)")).startswith(
        "left-context: 0\nright-context: 2\n"
    )
    other = toy_net("frames 3\noutput < Offset(frames, 2)")
    assert nnet_info(other).startswith("num-parameters: 0\n")
    with pytest.raises(ValueError, match="this one has inputs frames and outputs output"):
        context(other)


@pytest.mark.parametrize(
    "net, expected",
    [
        ("a = Toy 3 4 time-offsets=-3,0,2 < input\noutput < Append(Offset(a, -1), Offset(a, 4))", (4, 6)),
        ("a = Toy 7 4 < Append(input, IfDefined(Offset(a, -1)))\noutput < a", (0, 0)),
        ("output < Failover(Offset(input, 5), Offset(input, -1))", (0, 0)),
        ("output < Round(input, 3)", (2, 0)),
        ("output < Switch(input, Offset(input, 3), Offset(input, -1))", (1, 3)),
        ("output < Append(input, Offset(input, 47))", (0, 47)),
    ],
)
def test_context_is_what_kaldis_windows_show(net, expected):
    nnet = toy_net("input 3\n" + net)
    assert context(nnet) == (left_context(nnet), right_context(nnet)) == expected


def test_a_network_that_needs_too_much_input_has_no_context():
    with pytest.raises(ValueError, match="no frame of output can be computed from 640 frames of input"):
        context(toy_net("input 3\noutput < Append(input, Offset(input, 700))"))

# ruff: noqa: E501  one case of a table of mistakes on one line
"""Networks from config lines: order, replacement, checks, and lines back."""

from __future__ import annotations

import re

import numpy as np
import pytest

from nnet.graph.network import Nnet
from nnet.graph.node import InputNode, OutputNode
from tests.nnet.graph.toys import make_toy, toy_net

CONFIG = """
# a small network
output-node name=output input=b objective=quadratic   # before the nodes it reads
input-node name=input dim=4
component name=a type=Toy input-dim=8 output-dim=6
component-node name=a component=a input=Append(Offset(input, -1), input)
dim-range-node name=half input-node=a dim-offset=3 dim=3
component name=b type=Square dim=3
component-node name=b component=b input=Sum(half, half, half)
"""


def net(config: str = CONFIG, **options) -> Nnet:
    return Nnet.from_config(config.splitlines(), make_toy, **options)


def test_nodes_and_components_keep_the_order_of_the_lines():
    n = net()
    assert list(n.nodes) == ["output", "input", "a", "half", "b"]
    assert list(n.components) == ["a", "b"]


def test_config_lines_are_those_of_a_model_file():
    assert net().config_lines() == [
        "output-node name=output input=b objective=quadratic",
        "input-node name=input dim=4",
        "component-node name=a component=a input=Append(Offset(input, -1), input)",
        "dim-range-node name=half input-node=a dim-offset=3 dim=3",
        "component-node name=b component=b input=Sum(half, Sum(half, half))",
    ]


def test_config_lines_with_dims_are_those_of_nnet3_info():
    lines = net().config_lines(with_dims=True)
    assert lines[0] == "output-node name=output input=b dim=3 objective=quadratic"
    assert lines[2].endswith("input=Append(Offset(input, -1), input) input-dim=8 output-dim=6")


def test_config_lines_make_the_same_network_again():
    n = net()
    again = Nnet.from_config(n.config_lines(), make_toy, base=Nnet({}, n.components))
    assert again.nodes == n.nodes
    assert again.components == n.components


def test_dims_are_those_of_the_nodes():
    n = net()
    assert n.dims() == {"input": 4, "a": 6, "half": 3, "b": 3}
    assert (n.dim("output"), n.input_dim(), n.output_dim()) == (3, 4, 3)
    assert (n.input_names(), n.output_names()) == (["input"], ["output"])


def test_a_later_config_replaces_components_in_place_and_nodes_at_the_end():
    base = net()
    old_b = base.components["b"]
    top = net(
        "component name=a type=Toy input-dim=8 output-dim=4\n"
        "component name=c type=Square dim=2\n"
        "dim-range-node name=half input-node=a dim-offset=1 dim=3\n"
        "component-node name=c component=c input=Append(Const(1, 2))\n",
        base=base,
    )
    assert list(top.nodes) == ["output", "input", "a", "b", "half", "c"]
    assert list(top.components) == ["a", "b", "c"]
    assert top.components["a"].output_dim == 4
    assert top.components["b"] is old_b
    assert base.dims()["a"] == 6


def test_the_same_seed_gives_the_same_parameters():
    first, second, other = (net(rng=np.random.default_rng(s)).components["a"].W for s in (3, 3, 4))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_copies_share_no_parameters():
    n = net()
    n.copy().components["a"].W[:] = 0
    assert n.components["a"].W.any()


def test_what_nothing_uses_is_only_warned_about():
    warned: list[str] = []
    net(
        CONFIG + "component name=c type=Square dim=4\ncomponent-node name=d component=c input=input\n",
        warn=warned.append,
    )
    net(CONFIG + "component name=c type=Square dim=4\n", warn=warned.append)
    assert warned == [
        "Node d is never used to compute any output.",
        "Component c is never used by any node.",
    ]


def test_modulus_is_common_to_all_descriptors():
    n = toy_net("input 3\na = Square 3 < Round(input, 4)\noutput < Switch(a, a, a)")
    assert n.modulus() == 12


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("input=Append(Offset(input, -1), input)", "input=inptu", "config:6: component-node a: descriptor 'inptu', character 1: there is no node inptu; did you mean input?"),
        ("component=a input", "component=aa input", "component-node a: there is no component aa; did you mean a?"),
        ("input-dim=8", "input-dim=9", "component-node a: its input Append(Offset(input, -1), input) has dim 8, component a takes 9"),
        ("dim-offset=3", "dim-offset=4", "dim-range-node half: dim-offset=4 dim=3 does not lie within the 6 columns of a"),
        ("input-node=a", "input-node=x", "dim-range-node half: there is no node x"),
        ("input-node=a", "input-node=output", "dim-range-node half cannot read the output-node output"),
        ("input=Sum(half, half, half)", "input=Sum(half, a)", "component-node b: Sum(half, a): half has dim 3, but a has dim 6"),
        ("input=Sum(half, half, half)", "input=output", "there is no node output"),
        ("quadratic", "cubic", "config:3: output-node output: objective=cubic is none of linear, quadratic"),
        ("input-node name=input dim=4", "input-node name=input dim=4 context=3", "config:4: input-node input has no option context"),
        ("dim=4", "dim=x", "config:4: input-node input: dim=x is not an integer"),
        ("name=half", "name=ha!f", "'ha!f' cannot be a name"),
        ("component-node name=b", "node name=b", "config:9: a line starts with component or one of input-node"),
        ("component-node name=b", "component-node name=a", "config:9: the node a was already defined at config:6"),
        ("component name=b", "component name=a", "config:8: the component a was already defined at config:5"),
        ("input-node name=input dim=4", "input-node name=input dim=0", "input-node input: dim=0 must be at least 1"),
        ("# a small network", "input-node name=a_input dim=2", "node a_input: Kaldi keeps this name"),
        ("output-node name=output input=b objective=quadratic", "", "config: the network has no output-node"),
    ],
)  # fmt: skip
def test_mistakes_are_named(old, new, message):
    assert old in CONFIG
    with pytest.raises(ValueError, match=re.escape(message)):
        net(CONFIG.replace(old, new))


def test_a_network_needs_an_input():
    with pytest.raises(ValueError, match="the network has no input-node"):
        net(
            "component name=c type=Square dim=2\ncomponent-node name=c component=c input=Const(1, 2)\noutput-node name=output input=c"
        )


def test_unknown_names_are_refused_with_a_hint():
    n = net()
    with pytest.raises(ValueError, match="no node hlaf; did you mean half"):
        n.dim("hlaf")
    with pytest.raises(ValueError, match="no output-node out, only output"):
        n.output_dim("out")
    with pytest.raises(ValueError, match="no input-node ivector, only input"):
        n.input_dim("ivector")


def test_references_are_checked_when_nodes_are_put_together_by_hand():
    with pytest.raises(ValueError, match="output-node output: there is no node b"):
        Nnet({"input": InputNode(3), "output": OutputNode(net().nodes["output"].input)}).check()

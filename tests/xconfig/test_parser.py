"""Xconfig files become networks: layers, options, what is above what, nodes that are read."""

from __future__ import annotations

import pytest

from tests.xconfig.between import network
from xconfig.layer import LAYERS
from xconfig.parser import parse_xconfig


def line_of(net, name, config="final"):
    return [line for line in net.configs[config] if f" name={name} " in line]


@pytest.mark.parametrize("kind", LAYERS)
def test_every_layer_type_makes_its_example(kind):
    dim, options = LAYERS[kind].EXAMPLE
    above = [f"input name=input dim={dim}"] if dim else []
    below = [] if kind.startswith("output") else ["output name=y"]
    net = parse_xconfig([*above, f"{kind} name=x {options}", *below])
    assert net.configs["final"]


def test_an_input_needs_a_dimension():
    with pytest.raises(ValueError, match="x:1: input input: dim=-1 must be at least 1"):
        parse_xconfig(["input name=input"], "x")


def test_an_empty_file_is_refused():
    with pytest.raises(ValueError, match="x: there is no layer in this file"):
        parse_xconfig(["# nothing", ""], "x")


def test_a_network_needs_an_output():
    with pytest.raises(ValueError, match="x: no line makes an output"):
        parse_xconfig(["input name=input dim=3", "relu-layer name=a"], "x")


def test_nothing_is_above_the_first_layer():
    with pytest.raises(ValueError, match=r"\[-1\] asks for 1 layers above, there are 0"):
        parse_xconfig(["relu-layer name=a dim=3"], "x")


def test_nodes_of_an_existing_model_can_be_read_but_are_no_layer_above():
    net = network("relu-layer name=a dim=3 input=Append(tdnn6.renorm@-3,0)", existing={"tdnn6.renorm": 7})
    assert line_of(net, "a.affine") == [
        "component name=a.affine type=NaturalGradientAffineComponent "
        "input-dim=11 output-dim=3 max-change=0.75",
        "component-node name=a.affine component=a.affine input=Append(Offset(tdnn6.renorm, -3), input)",
    ]


def test_a_name_of_the_existing_model_can_be_used_again():
    net = network("relu-layer name=a dim=3", existing={"output": 9, "a": 5})
    assert any("input=Append(a)" not in line for line in line_of(net, "output.affine"))


def test_auxiliary_outputs_can_be_read():
    net = network("lstmp-layer name=a cell-dim=8\nrelu-layer name=b dim=2 input=Append(a, a.c_t)")
    assert "input-dim=12 " in line_of(net, "b.affine")[0]
    assert line_of(net, "b.affine")[1].endswith("input=Append(a.rp_t, a.c_t)")


def test_cells_of_a_fast_lstm_are_made_when_first_read():
    net = network(
        "fast-lstm-layer name=a cell-dim=8\nrelu-layer name=b input=a.c\nrelu-layer name=c input=a.c"
    )
    assert line_of(net, "a.c") == ["dim-range-node name=a.c input-node=a.lstm_nonlin dim-offset=0 dim=8"]
    assert line_of(network("fast-lstm-layer name=a cell-dim=8"), "a.c") == []


def test_options_in_quotes_come_before_those_of_the_layer():
    net = network('relu-layer name=a dim=3 ng-affine-options="update-period=1 max-change=2.0"')
    assert "output-dim=3 update-period=1 max-change=2.0 max-change=0.75" in line_of(net, "a.affine")[0]


def test_projection_dimensions_default_to_whole_numbers():
    net = network("fast-lstmp-layer name=a cell-dim=10")
    assert " output-dim=4 " in line_of(net, "a.W_rp")[0] + " "


def test_a_residual_block_takes_whole_filters_from_its_input():
    net = network("res-block name=a height=2")
    assert "num-filters-in=2 num-filters-out=2 " in line_of(net, "a.conv1")[0]


def test_an_affine_layer_passes_its_learning_rate_factor_on():
    net = network('affine-layer name=a dim=3 learning-rate-factor=0.5 ng-affine-options="rank-in=2"')
    assert line_of(net, "a")[0].endswith("l2-regularize=0.0 rank-in=2 learning-rate-factor=0.5")


def test_a_basic_layer_accepts_a_learning_rate_factor():
    net = network("relu-layer name=a dim=3 learning-rate-factor=0.333")
    assert "learning-rate-factor=0.333" in line_of(net, "a.affine")[0]


@pytest.mark.parametrize(
    ("context", "first", "second"),
    [
        ("default", "-3,0", "0,3"),
        ("left-only", "-3,0", "0"),
        ("shift-left", "-3,0", "-3,0"),
        ("none", "0", "0"),
    ],
)
def test_context_decides_what_the_factors_of_a_tdnnf_read(context, first, second):
    net = network(f"tdnnf-layer name=a dim=4 bottleneck-dim=2 time-stride=3 context={context}")
    assert f"time-offsets={first} " in line_of(net, "a.linear")[0]
    assert line_of(net, "a.affine")[0].endswith(f"time-offsets={second}")


def test_a_delayed_fixed_affine_layer_delays_the_output_of_init_config():
    net = network("fixed-affine-layer name=lda input=Append(-1,0) affine-transform-file=lda.mat delay=5")
    assert net.configs["init"][2:] == [
        "component name=lda.delayed type=NoOpComponent dim=8",
        "component-node name=lda.delayed component=lda.delayed input=Append(Offset(input, -1), input)",
        "output-node name=output input=Offset(lda.delayed, 5)",
    ]


@pytest.mark.parametrize(
    "layer",
    [
        "batchnorm-component name=a include-in-init=true",
        "spec-augment-layer name=a include-in-init=true",
        "idct-layer name=a affine-transform-file=idct.mat include-in-init=true",
    ],
)
def test_layers_before_the_transform_can_be_in_init_config(layer):
    net = network(layer)
    assert net.configs["init"][2:] == [line for line in net.configs["ref"] if " name=a" in line]


@pytest.mark.parametrize("kind", ["pgru", "norm-pgru", "opgru", "norm-opgru", "fast-pgru", "fast-norm-opgru"])
def test_gates_of_a_gru_can_be_dropped_where_the_type_has_dropout(kind):
    dropout = "dropout-proportion=0.2" if "norm" in kind else ""
    net = network(f"{kind}-layer name=a cell-dim=8 {dropout}")
    found = [line for line in net.configs["final"] if "type=DropoutComponent" in line]
    assert len(found) == (0 if not dropout else 2 if kind == "norm-pgru" else 1)
    assert all("dropout-per-frame=true" in line for line in found)

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xconfig.layer import LAYERS
from xconfig.parser import parse_xconfig

HEAD = "input name=ivector dim=10\ninput name=input dim=4\n"
TAIL = "\noutput-layer name=output dim=6\n"


def network(body, **keys):
    return parse_xconfig((HEAD + body + TAIL).split("\n"), "net.xconfig", **keys)


def line_of(net, name, config="final"):
    return [line for line in net.configs[config] if f" name={name} " in line]


@pytest.mark.parametrize("kind", LAYERS)
def test_every_layer_type_makes_its_example(kind):
    dim, options = LAYERS[kind].EXAMPLE
    above = [f"input name=input dim={dim}"] if dim else []
    below = [] if kind.startswith("output") else ["output name=y"]
    net = parse_xconfig([*above, f"{kind} name=x {options}", *below])
    assert net.configs["final"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "relu-renrm-layer name=a dim=3",
            "net.xconfig:3: there is no layer type relu-renrm-layer; did you mean relu-renorm-layer?",
        ),
        ("relu-layer name=a dmi=3", "net.xconfig:3: relu-layer has no option dmi; did you mean dim?"),
        (
            "relu-layer name=a\nrelu-layer name=b input=aa",
            "net.xconfig:4: relu-layer b: there is no layer aa above this line; did you mean a?",
        ),
        ("relu-layer name=a dim=x", "net.xconfig:3: dim=x is not an integer"),
        ("relu-layer name=a max-change=x", "max-change=x is not a number"),
        ("relu-layer name=a l2-regularize=x", "l2-regularize=x is not a number"),
        ("relu-layer name=a add-log-stddev=1", "add-log-stddev=1 is not true or false"),
        ("conv-layer name=a use-natural-gradient=1", "use-natural-gradient=1 is not true or false"),
        (
            "relu-layer name=a\nrelu-layer name=a",
            "net.xconfig:4: relu-layer: name a is already that of a layer above",
        ),
        ("relu-layer dim=3", "relu-layer needs name="),
        ("relu-layer name=3a dim=3", "no digit first, not '3a'"),
        ("relu-layer name=a dim=3 input=Sum(input, ivector)", "input has dim 4 but ivector has dim 10"),
        (
            "relu-layer name=a dim=3 self-repair-scale=2.0",
            "relu-layer a: self-repair-scale=2.0 must be at most 1.0",
        ),
        ("relu-layer name=a learning-rate-factor=-1", "learning-rate-factor=-1 must be greater than 0.0"),
        ("relu-layer name=a bottleneck-dim=4", "bottleneck-dim=4 is not below dim=4"),
        (
            "relu-layer name=a add-log-stddev=true",
            "add-log-stddev=true needs renorm as the last operation, which is relu",
        ),
        (
            "relu-layer name=a\nrelu-layer name=b input=a.relu",
            "relu-layer a does not have an auxiliary output a.relu",
        ),
        (
            "output-layer name=o dim=5\nrelu-layer name=b",
            "output-layer o does not have an output that can be read; it has o.affine, o.log-softmax",
        ),
        (
            "output-layer name=o dim=5 objective-type=cubic",
            "objective-type=cubic is none of linear, quadratic",
        ),
        ("output-layer name=o dim=5 bottleneck-dim=5", "bottleneck-dim=5 is not below input dim 4 and dim=5"),
        (
            "output-layer name=o dim=5 orthonormal-constraint=-1",
            "orthonormal-constraint=-1.0 must be greater than 0.0",
        ),
        ("output name=o dim=5", "output o: dim=5, but the input has dim 4"),
        ("fixed-affine-layer name=a", "affine-transform-file=... must be given"),
        (
            "tdnnf-layer name=a dim=8 bottleneck-dim=2",
            "the bypass adds input dim 4 to output dim 8; bypass-scale=0",
        ),
        ("tdnnf-layer name=a dim=4 bottleneck-dim=4", "bottleneck-dim=4 is not below dim=4"),
        (
            "tdnnf-layer name=a dim=4 bottleneck-dim=2 dropout-proportion=1.0",
            "dropout-proportion=1.0 must be below 1",
        ),
        (
            "tdnnf-layer name=a dim=4 bottleneck-dim=2 context=right",
            "context=right is none of default, left-only",
        ),
        ("prefinal-layer name=a big-dim=4 small-dim=4", "small-dim=4 is not below big-dim=4"),
        ("prefinal-layer name=a big-dim=4", "small-dim=-1 must be at least 1"),
        ("lstm-layer name=a delay=0", "delay=0, but a layer cannot read its own output of the same frame"),
        (
            "fast-lstmp-layer name=a cell-dim=8 recurrent-projection-dim=6",
            "projections have dim 12, more than cell-dim=8",
        ),
        ("fast-lstmp-layer name=a cell-dim=3", "cell-dim=3 leaves no recurrent-projection-dim"),
        (
            "fast-lstmp-layer name=a cell-dim=8 dropout-proportion=1.5",
            "dropout-proportion=1.5 must be at most 1.0",
        ),
        ("fast-lstm-layer name=a decay-time=1", r"decay-time=1.0 must be longer than \|delay\|=1"),
        ("fast-lstm-layer name=a dropout-proportion=0.1", "fast-lstm-layer has no option dropout-proportion"),
        ("pgru-layer name=a l2-regularize=0.1", "pgru-layer has no option l2-regularize"),
        ("conv-layer name=a height-in=3 height-out=3", "height-in=3 does not divide the input's dim 4"),
        (
            "conv-layer name=a height-in=4 height-out=4 num-filters-out=2 time-offsets=0,0 height-offsets=0",
            "time-offsets=0,0 is not a list of increasing integers",
        ),
        (
            "conv-layer name=a height-in=4 height-out=4 num-filters-out=2 time-offsets=0 height-offsets=a",
            "height-offsets=a is not a list",
        ),
        (
            "conv-layer name=a height-in=4 height-out=4 num-filters-out=2 time-offsets=0 height-offsets=0 "
            "required-time-offsets=1,0",
            "required-time-offsets=1,0 are not increasing",
        ),
        (
            "conv-layer name=a height-in=4 height-out=4 time-offsets=0 height-offsets=0",
            "num-filters-out=-1 must be at least 1",
        ),
        (
            "conv-layer name=a height-in=4 height-out=1 num-filters-out=2 time-offsets=0 height-offsets=0",
            "must lie between 3 and 4 for height-in=4",
        ),
        (
            "conv-layer name=a height-in=4 height-out=4 num-filters-in=1",
            "conv-layer has no option num-filters-in",
        ),
        (
            "relu-noconv-layer name=a height-in=4 height-out=4 num-filters-out=2",
            "without convolution input dim 4 cannot become output dim 8",
        ),
        ("res-block name=a height=3", "height=3 does not divide the input's dim 4"),
        ("res-block name=a height=2 num-filters=3", "height=2 times num-filters=3 is 6, not 4"),
        ("res2-block name=a num-filters=2", "give height, or height-in and height-out"),
        ("res2-block name=a height=2 height-in=2 num-filters=2", "give height, or height-in and height-out"),
        ("res2-block name=a height=4", "num-filters=-1 must be at least 1"),
        ("res2-block name=a height=3 num-filters=2", "height-in=3 does not divide the input's dim 4"),
        (
            "res2-block name=a height-in=4 height-out=2 num-filters=2",
            "time-period=1 must be even where the height is halved",
        ),
        (
            "res2-block name=a height-in=4 height-out=8 num-filters=2",
            "height-out=8 is neither height-in=4 nor about half",
        ),
        ("channel-average-layer name=a dim=3", "dim=3 does not divide the input's dim 4"),
        (
            "dim-range-component name=a dim=3 dim-offset=2",
            "dim-offset=2 and dim=3 end at 5, the input has dim 4",
        ),
        (
            "combine-feature-maps-layer name=a height=2 num-filters1=1 num-filters2=2",
            "make dim 6, the input has dim 4",
        ),
        ("delta-layer name=a input=Append(-1,0)", "the input must be the name of a node, not Append"),
        ("spec-augment-layer name=a freq-max-proportion=1.0", "freq-max-proportion=1.0 must be below 1"),
        (
            "spec-augment-layer name=a time-zeroed-proportion=0",
            "time-zeroed-proportion=0.0 must be greater than 0.0",
        ),
        ("stats-layer name=a", "config=... must be given"),
        ("stats-layer name=a config=median(-9:1:1:9)", "is not of the form mean"),
        ("stats-layer name=a config=mean(-9:1:2:9)", "-L = 9 is not a multiple of 2"),
        ("stats-layer name=a config=mean(9:1:1:9)", "the window must span frame 0"),
        ("stats-layer name=a config=mean(-9:0:1:9)", "periods must be positive"),
        ("stats-layer name=a config=mean(-9:3:1:9)", "out = 1 is not a multiple of 3"),
        ("stats-layer name=a config=mean+stddev(-9:1:1:9) dim=9", "dim=9, but the statistics have dim 8"),
        ("attention-renorm-layer name=a key-dim=2", "value-dim=-1 must be at least 0"),
        ("relu-layer name='a'", "character ' is not allowed"),
        ("relu-layer name=a input=Apend(0)", "there is no operator Apend; did you mean Append"),
    ],
)
def test_mistakes_are_reported_with_file_and_line(body, message):
    with pytest.raises(ValueError, match=message) as error:
        network(body)
    assert str(error.value).startswith("net.xconfig:")
    assert "\n" not in str(error.value)


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


_PIECES = [
    "tdnnf-layer",
    "stats-layer",
    "lstmp-layer",
    "name=a",
    "dim=",
    "input=",
    "Append(",
    "[-1]",
    "@",
    "-1",
    ",",
    ")",
]
_PIECES += [
    "res-block",
    "height=",
    "0",
    "1e9",
    "nan",
    "config=mean(",
    ":",
    '"',
    "time-stride=",
    "delay=",
    "cell-dim=",
    " ",
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(_PIECES), max_size=12).map("".join))
def test_whatever_a_line_says_it_is_built_or_refused_in_one_line(line):
    try:
        network(line)
    except ValueError as error:
        assert str(error).startswith("net.xconfig:3: ") or "net.xconfig:4: " in str(error)
        assert "\n" not in str(error)

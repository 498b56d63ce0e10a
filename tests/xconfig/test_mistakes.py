"""Mistakes in xconfig files: each is told in one line, with the file and the line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.xconfig.between import network


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

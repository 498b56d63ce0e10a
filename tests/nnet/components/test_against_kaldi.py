"""Rarely used components held against Kaldi's programs: files, descriptions, outputs, training."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest

from nnet.component import Component
from nnet.config_line import ConfigLine
from nnet.factory import make_component
from nnet.formats.examples import EXAMPLE, NnetExample, NnetIo
from nnet.formats.kinds import MATRIX
from nnet.formats.model import am_nnet, read_nnet, write_am
from nnet.formats.topology import HmmState, topology
from nnet.formats.transitions import transition_model
from nnet.formats.tree import monophone_tree
from tests.nnet.programs.workshop import change_error, read, run, write

CLASSES = 5
CONVOLUTION = "type=ConvolutionComponent input-x-dim=4 input-z-dim=2"
POOL = "type=MaxpoolingComponent input-x-dim=4 input-y-dim=6 input-z-dim=3 pool-x-size=2"
FILTERS = "type=TimeHeightConvolutionComponent num-filters-in=4 height-in=6 rank-in=3 rank-out=2"
COMPONENTS = {
    "repeated": "type=RepeatedAffineComponent input-dim=12 output-dim=6 num-repeats=3 bias-stddev=0.5",
    "repeated-ng": "type=NaturalGradientRepeatedAffineComponent input-dim=12 output-dim=8 num-repeats=2",
    "blocks": "type=BlockAffineComponent input-dim=12 output-dim=9 num-blocks=3",
    "function": "type=ConstantFunctionComponent input-dim=12 output-dim=7 output-mean=0.5 output-stddev=0.3",
    "fixed": "type=ConstantFunctionComponent input-dim=12 output-dim=7 output-stddev=0.3 is-updatable=false",
    "constant": "type=ConstantComponent output-dim=12 output-mean=0.5 output-stddev=0.3",
    "constant-plain": "type=ConstantComponent output-dim=12 output-stddev=0.3 use-natural-gradient=false",
    "zyx": f"{CONVOLUTION} input-y-dim=3 filt-x-dim=2 filt-y-dim=3 filt-x-step=2 filt-y-step=1 num-filters=5",
    "yzx": f"{CONVOLUTION} input-y-dim=5 filt-x-dim=3 filt-y-dim=3 filt-x-step=1 filt-y-step=2 num-filters=4 "
    "input-vectorization-order=yzx",
    "pools": f"{POOL} pool-y-size=3 pool-z-size=1 pool-x-step=2 pool-y-step=3 pool-z-step=1",
    "overlapping": f"{POOL} pool-y-size=2 pool-z-size=2 pool-x-step=1 pool-y-step=2 pool-z-step=1",
    "composite": "type=CompositeComponent num-components=4 max-rows-process=10 "
    "component1='type=NaturalGradientAffineComponent input-dim=12 output-dim=10 rank-in=4 rank-out=4' "
    "component2='type=RectifiedLinearComponent dim=10' component3='type=NormalizeComponent dim=10' "
    "component4='type=AffineComponent input-dim=10 output-dim=6 learning-rate-factor=0.5'",
    "halved": f"{FILTERS} num-filters-out=6 height-out=3 height-subsample-out=2 height-offsets=-1,0,1 "
    "time-offsets=-2,0,2 required-time-offsets=0",
    "irregular": f"{FILTERS} num-filters-out=5 height-out=4 offsets=-1,0;-1,2;0,-1;0,0;0,1;3,1 "
    "required-time-offsets=-1,0 num-minibatches-history=2",
    "unit": f"{FILTERS} num-filters-out=4 height-out=6 height-offsets=-1,0,1 time-offsets=-1,0,1 "
    "init-unit=true",
}
TRAINING = {
    "plain": "--max-param-change=0",
    "momentum": "--momentum=0.5",
    "backstitch": "--backstitch-training-scale=0.3 --backstitch-training-interval=1",
}


def component(name: str) -> Component:
    return make_component(ConfigLine(f"component name=c {COMPONENTS[name]}"), np.random.default_rng(0))


def write_config(name: str) -> None:
    c = component(name)
    Path("config").write_text(
        f"input-node name=input dim={c.input_dim}\ncomponent name=c {COMPONENTS[name]}\n"
        "component-node name=c component=c input=input\n"
        f"component name=a type=AffineComponent input-dim={c.output_dim} output-dim={CLASSES}\n"
        "component-node name=a component=a input=c\n"
        f"component name=s type=LogSoftmaxComponent dim={CLASSES}\n"
        "component-node name=s component=s input=a\noutput-node name=output input=s\n"
    )


def write_examples(dim: int, rng: np.random.Generator) -> None:
    """Minibatches of three sequences of eight frames, with context."""
    given = np.array([(n, t, 0) for n in range(3) for t in range(-2, 11)], np.int32)
    wanted = np.array([(n, t, 0) for n in range(3) for t in range(8)], np.int32)
    batches = {}
    for k in range(4):
        x = rng.standard_normal((len(given), dim)).astype(np.float32)
        targets = np.eye(CLASSES, dtype=np.float32)[rng.integers(CLASSES, size=len(wanted))]
        batches[f"{k}"] = NnetExample([NnetIo("input", given, x), NnetIo("output", wanted, targets)])
    write("egs", EXAMPLE, batches)


@pytest.fixture(params=COMPONENTS)
def name(request, kaldi, tmp_path, monkeypatch) -> str:
    """A component in a small network that Kaldi made, `raw` in the current directory."""
    monkeypatch.chdir(tmp_path)
    write_config(request.param)
    kaldi("nnet3-init", "--srand=1", "config", "raw")
    return request.param


def test_kaldis_files_come_back_byte_for_byte(name):
    assert run("nnet3-copy raw copy") == 0
    assert Path("copy").read_bytes() == Path("raw").read_bytes()


def test_kaldi_reads_what_we_make(name, kaldi):
    assert run("nnet3-init --srand=1 config ours") == 0
    kaldi("nnet3-copy", "ours", "theirs")
    assert Path("ours").read_bytes() == Path("theirs").read_bytes()
    assert Path("ours").stat().st_size == Path("raw").stat().st_size


def test_descriptions_are_the_same(name, kaldi):
    with contextlib.redirect_stdout(io.StringIO()) as ours:
        assert run("nnet3-info raw") == 0
    assert ours.getvalue() == kaldi("nnet3-info", "raw").stdout.decode()


def test_scaled_and_averaged_models_are_the_same(name, kaldi):
    options = "--scale=0.5 --learning-rate=0.01"
    kaldi("nnet3-copy", *options.split(), "raw", "scaled")
    assert run(f"nnet3-copy {options} raw ours") == 0
    assert Path("ours").read_bytes() == Path("scaled").read_bytes()
    kaldi("nnet3-average", "raw", "scaled", "average")
    assert run("nnet3-average raw scaled ours") == 0
    assert change_error("ours", "average", "raw") < 1e-6


def test_outputs_are_the_same(name, kaldi, rng):
    dim = component(name).input_dim
    write(
        "feats",
        MATRIX,
        {u: rng.standard_normal((n, dim)).astype(np.float32) for u, n in (("a", 23), ("b", 1))},
    )
    arguments = ("--use-gpu=no", "--frames-per-chunk=7", "raw", "ark:feats")
    kaldi("nnet3-compute", *arguments, "ark:theirs")
    assert run(" ".join(["nnet3-compute", *arguments, "ark:ours"])) == 0
    ours, theirs = read("ours"), read("theirs")
    assert ours.keys() == theirs.keys()
    for u, y in theirs.items():
        np.testing.assert_allclose(ours[u], y, atol=1e-5)


@pytest.mark.parametrize("how", TRAINING)
def test_training_goes_the_same_way(name, how, kaldi, rng):
    write_examples(component(name).input_dim, rng)
    arguments = ("--use-gpu=no", *TRAINING[how].split(), "raw", "ark:egs")
    kaldi("nnet3-train", *arguments, "theirs")
    assert run(" ".join(["nnet3-train", *arguments, "ours"])) == 0
    assert change_error("ours", "theirs", "raw") < 1e-3


@pytest.mark.parametrize("name", ["repeated", "repeated-ng", "composite"], indirect=True)
def test_repeated_blocks_are_converted_as_by_kaldi(name, kaldi):
    states = [HmmState(i, i, ((i, 0.75), (i + 1, 0.25))) for i in range(CLASSES)] + [HmmState(-1, -1, ())]
    transitions = transition_model(monophone_tree({1: CLASSES}), topology(states, [1]))
    write_am(am_nnet(transitions, read_nnet("raw")), "mdl")
    options = "--convert-repeated-to-block=true --raw=true"
    kaldi("nnet3-am-copy", *options.split(), "mdl", "theirs")
    assert run(f"nnet3-am-copy {options} mdl ours") == 0
    assert Path("ours").read_bytes() == Path("theirs").read_bytes()

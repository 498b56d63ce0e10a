"""Networks as ONNX models, run by onnxruntime and held against our own outputs."""

from __future__ import annotations

import numpy as np
import pytest

from nnet import read_nnet
from nnet.combination import set_test_modes
from nnet.factory import make_component
from nnet.graph.network import Nnet
from nnet.graph.plan import Request, make_plan
from nnet.graph.run import forward
from tests.nnet.programs.workshop import WITH_IVECTOR, settled

onnx = pytest.importorskip("onnx", reason="needs the package onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the package onnxruntime")

from nnet.export.onnx_model import save_onnx, to_onnx  # noqa: E402 - needs onnx

CASES = [
    "cnn_plain",
    "cnn_tdnn",
    "ff_idct_lda_ivector",
    "ff_relu_batchnorm_l2",
    "ff_relu_renorm",
    "ff_sigmoid_tanh",
    "front_end",
    "resnet",
    "tdnn_bottleneck_output",
    "tdnnf",
    "two_outputs_objectives",
]


def single(component, dim=12, reads="input"):
    """A network of one component."""
    return network(
        f"input-node name=input dim={dim}",
        f"component name=c type={component}",
        f"component-node name=c component=c input={reads}",
        "output-node name=output input=c",
    )


def network(*lines):
    return Nnet.from_config(lines, make_component, rng=np.random.default_rng(3))


def ours(nnet, x, ivector=None, outputs=("output",), contexts=None):
    """Outputs (N, T', dim) by our own engine, for x (N, T, dim) and ivector (N, dim)."""
    frames = range(x.shape[1])
    inputs, given = {"input": x.swapaxes(0, 1).copy()}, {"input": frames}
    if ivector is not None:
        inputs["ivector"], given["ivector"] = ivector[None].copy(), (0,)
    wanted = {n: range(contexts[n][0], len(frames) - contexts[n][1]) for n in outputs}
    acts = forward(nnet, make_plan(nnet, Request(given, wanted)), inputs)
    return [acts.output(n).swapaxes(0, 1) for n in outputs]


def contexts_of(model):
    values = {p.key: int(p.value) for p in model.metadata_props}
    return {
        key.partition(".")[0]: (left, values[key.replace("left", "right")])
        for key, left in values.items()
        if "left" in key
    }


def check(nnet, rng, shapes=((1, 30), (3, 41)), tolerance=2e-6):
    """The model of `nnet` gives our outputs for (N, T) of `shapes`."""
    model = to_onnx(nnet)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    set_test_modes(nnet)
    names, contexts = nnet.output_names(), contexts_of(model)
    for n, frames in shapes:
        given = {"input": rng.standard_normal((n, frames, nnet.input_dim())).astype(np.float32)}
        if "ivector" in nnet.input_names():
            given["ivector"] = rng.standard_normal((n, nnet.input_dim("ivector"))).astype(np.float32)
        found = session.run(names, given)
        expected = ours(nnet, given["input"], given.get("ivector"), names, contexts)
        for y, z in zip(found, expected):
            assert y.shape == z.shape
            assert np.abs(z).max() > 1e-3
            np.testing.assert_allclose(y, z, atol=tolerance * np.abs(z).max())
    return contexts


@pytest.mark.parametrize("case", CASES)
def test_reference_networks_give_our_outputs_for_any_number_of_frames(shared, rng, case):
    nnet = read_nnet(str(shared / "golden" / "cases" / case / "0.raw"))
    check(nnet, rng)


@pytest.mark.parametrize(
    "component",
    [
        "AffineComponent input-dim=12 output-dim=7",
        "RepeatedAffineComponent input-dim=12 output-dim=6 num-repeats=3",
        "BlockAffineComponent input-dim=12 output-dim=8 num-blocks=4",
        "PerElementScaleComponent dim=12",
        "FixedBiasComponent dim=12",
        "FixedScaleComponent dim=12",
        "PerElementOffsetComponent dim=12 block-dim=4",
        "ScaleAndOffsetComponent dim=12 block-dim=6",
        "NormalizeComponent dim=12 target-rms=0.5",
        "NormalizeComponent dim=12 add-log-stddev=true",
        "NormalizeComponent dim=12 block-dim=3 target-rms=2 add-log-stddev=true",
        "SoftmaxComponent dim=12",
        "DropoutComponent dim=12 dropout-proportion=0.25",
        "BackpropTruncationComponent dim=12 scale=0.5",
        "ClipGradientComponent dim=12 clipping-threshold=1 norm-based-clipping=true",
        "PermuteComponent column-map=11,0,10,1,9,2,8,3,7,4,6,5",
        "SumBlockComponent input-dim=12 output-dim=3 scale=0.3",
        "ElementwiseProductComponent input-dim=12 output-dim=4",
        "PnormComponent input-dim=12 output-dim=4",
        "SumGroupComponent sizes=1,2,5,4",
        "TdnnComponent input-dim=12 output-dim=5 time-offsets=-3,0,2",
        "TdnnComponent input-dim=12 output-dim=5 time-offsets=4 use-bias=false",
        "ConstantFunctionComponent input-dim=12 output-dim=5 output-mean=1",
        "ConvolutionComponent input-x-dim=3 input-y-dim=2 input-z-dim=2 filt-x-dim=2 filt-y-dim=1 "
        "filt-x-step=1 filt-y-step=1 num-filters=3",
        "ConvolutionComponent input-x-dim=2 input-y-dim=3 input-z-dim=2 filt-x-dim=2 filt-y-dim=2 "
        "filt-x-step=2 filt-y-step=1 num-filters=3 input-vectorization-order=yzx",
        "MaxpoolingComponent input-x-dim=3 input-y-dim=2 input-z-dim=2 pool-x-size=2 pool-y-size=1 "
        "pool-z-size=2 pool-x-step=1 pool-y-step=1 pool-z-step=2",
        "CompositeComponent num-components=2 component1='type=LinearComponent input-dim=12 output-dim=6' "
        "component2='type=RectifiedLinearComponent dim=6'",
    ],
)
def test_components_give_our_outputs(rng, component):
    check(single(component), rng)


@pytest.mark.parametrize(
    "options",
    [
        "height-in=6 height-out=6 time-offsets=-1,0,1 height-offsets=-1,0,1",
        "height-in=6 height-out=3 height-subsample-out=2 time-offsets=-3,0,3 height-offsets=-1,0,1",
        "height-in=6 height-out=2 height-subsample-out=2 time-offsets=0 height-offsets=1,2",
        "height-in=6 height-out=6 time-offsets=-2,-1,1 height-offsets=-2,0 required-time-offsets=-1",
        "height-in=6 height-out=5 time-offsets=-1,0,1 height-offsets=0,1 required-time-offsets=0",
        "height-in=6 height-out=6 time-offsets=-4,0,2 height-offsets=-2,0,2 required-time-offsets=0,2",
        "height-in=6 height-out=2 height-subsample-out=1 time-offsets=0,1 height-offsets=2,3",
    ],
)
def test_convolutions_give_our_outputs(rng, options):
    check(single(f"TimeHeightConvolutionComponent num-filters-in=2 num-filters-out=3 {options}"), rng)


@pytest.mark.parametrize(
    "reads, dim",
    [
        ("Append(Offset(input, -2), Scale(0.5, Sum(input, Offset(input, 3))))", 24),
        ("Sum(Scale(-1, Offset(input, 5)), Const(0.25, 12))", 12),
        ("Append(Const(2, 3), Offset(input, -1))", 15),
        ("Round(ReplaceIndex(input, x, 0), 1)", 12),
    ],
)
def test_descriptors_give_our_outputs(rng, reads, dim):
    check(single(f"AffineComponent input-dim={dim} output-dim=4", reads=reads), rng)


def test_columns_of_a_node_can_be_taken(rng):
    check(
        network(
            "input-node name=input dim=9",
            "component name=a type=AffineComponent input-dim=9 output-dim=8",
            "component-node name=a component=a input=Append(input)",
            "dim-range-node name=part input-node=a dim-offset=2 dim=5",
            "output-node name=output input=Offset(part, 2)",
        ),
        rng,
    )


def test_an_ivector_is_spread_over_the_frames_and_contexts_are_in_the_metadata(rng):
    assert check(settled(WITH_IVECTOR), rng) == {"output": (1, 1)}


def test_a_transformed_ivector_is_added_to_every_frame(rng):
    check(
        network(
            "input-node name=input dim=4",
            "input-node name=ivector dim=3",
            "component name=v type=AffineComponent input-dim=3 output-dim=4",
            "component-node name=v component=v input=ReplaceIndex(ivector, t, 0)",
            "component name=a type=TanhComponent dim=4",
            "component-node name=a component=a input=Sum(Offset(input, 1), v)",
            "output-node name=output input=a",
        ),
        rng,
    )


def test_frames_of_the_output_can_be_thinned_out(rng):
    nnet = settled()
    model = to_onnx(nnet, frame_subsampling_factor=3)
    x = rng.standard_normal((2, 20, 5)).astype(np.float32)
    y = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"input": x})[0]
    z = ours(set_test_modes(nnet), x, contexts=contexts_of(model))[0]
    assert y.shape == (2, 6, 4)
    np.testing.assert_allclose(y, z[:, ::3], atol=1e-6)


def test_one_output_of_several_can_be_chosen_and_the_network_stays_as_it_is(rng, tmp_path):
    nnet = network(
        "input-node name=input dim=4",
        "component name=a type=DropoutComponent dim=4 dropout-proportion=0.5",
        "component-node name=a component=a input=input",
        "output-node name=output input=a",
        "output-node name=recurrent input=IfDefined(Offset(a, -1))",
    )
    model = save_onnx(nnet, tmp_path / "m.onnx", ["output"])
    assert [o.name for o in model.graph.output] == ["output"] and not nnet.components["a"].test_mode
    assert onnx.load(tmp_path / "m.onnx") == model


@pytest.mark.parametrize(
    "lines, message",
    [
        (["component-node name=c component=c input=IfDefined(Offset(c, -1))"], "node c is recurrent"),
        (
            ["component-node name=c component=c input=IfDefined(Offset(input, -1))"],
            r"IfDefined\(.* is not the same",
        ),
        (["component-node name=c component=c input=Round(input, 3)"], r"Round\(input, 3\) is not the same"),
        (["component-node name=c component=c input=ReplaceIndex(input, t, 0)"], "ReplaceIndex"),
        (
            ["component-node name=c component=c input=ivector"],
            r"the ivector can be read by ReplaceIndex\(ivector, t, 0\)",
        ),
        (["component-node name=c component=c input=more"], "only inputs named input and ivector"),
        (
            [
                "component name=s type=StatisticsExtractionComponent input-dim=4",
                "component-node name=s component=s input=input",
                "component-node name=c component=c input=input",
                "output-node name=stats input=s",
            ],
            "node s: component s is a StatisticsExtractionComponent, which cannot be exported",
        ),
        (
            [
                "component name=k type=CompositeComponent num-components=2 component1='type=AffineComponent "
                "input-dim=4 output-dim=8' component2='type=GruNonlinearityComponent cell-dim=2'",
                "component-node name=c component=k input=input",
            ],
            "a part of the component is a",
        ),
        (
            [
                "component name=k type=TimeHeightConvolutionComponent num-filters-in=2 num-filters-out=2 "
                "height-in=2 height-out=2 time-offsets=0 height-offsets=0",
                "component-node name=c component=k input=ReplaceIndex(ivector, t, 0)",
            ],
            "a convolution over time cannot be computed from an i-vector",
        ),
    ],
)
def test_what_has_no_form_in_onnx_is_refused_by_name(lines, message):
    nnet = network(
        "input-node name=input dim=4",
        "input-node name=ivector dim=4",
        "input-node name=more dim=4",
        "component name=c type=TanhComponent dim=4",
        *lines,
        "output-node name=output input=c",
    )
    with pytest.raises(ValueError, match=message):
        to_onnx(nnet)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="--frame-subsampling-factor=0 must be at least 1"):
        to_onnx(settled(), frame_subsampling_factor=0)
    with pytest.raises(ValueError, match="no output-node nothing"):
        to_onnx(settled(), ["nothing"])

"""Folded networks: the outputs of the network given, without the batch-norms that can go elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nnet.components.normalize import BatchNorm
from nnet.folding import folded
from nnet.graph.network import Nnet
from nnet.graph.plan import Request, make_plan
from nnet.graph.run import forward
from tests.networks import network

INPUT = "input-node name=input dim=4"
FIRST = ("a AffineComponent input-dim=4 output-dim=6", "input"), ("r RectifiedLinearComponent dim=6", "a")
NORM = ("n BatchNormComponent dim=6 test-mode=true", "r")
CASES = {  # components and what they read, the output, and the types that are left of the batch-norms
    "read by an affine layer": (
        [*FIRST, NORM, ("c AffineComponent input-dim=12 output-dim=3", "Append(n, Offset(n, 2))")],
        "c", ["NoOp"],
    ),
    "read by layers without bias": (
        [
            *FIRST, NORM,
            ("c TdnnComponent input-dim=6 output-dim=3 time-offsets=-1,0,3 use-bias=false", "n"),
            ("d LinearComponent input-dim=9 output-dim=2", "Append(c, n)"),
        ],
        "d", ["NoOp"],
    ),
    "bypassed as in a TDNN-F": (
        [
            ("a TdnnComponent input-dim=4 output-dim=6 time-offsets=0,1", "input"), FIRST[1], NORM,
            ("d GeneralDropoutComponent dim=6 dropout-proportion=0.2 continuous=true test-mode=true", "n"),
            ("b NaturalGradientAffineComponent input-dim=6 output-dim=6", "d"),
            ("r2 RectifiedLinearComponent dim=6", "b"), ("n2 BatchNormComponent dim=6 test-mode=true", "r2"),
            ("o NoOpComponent dim=6", "Sum(Scale(0.66, d), n2)"),
            ("c AffineComponent input-dim=6 output-dim=3", "Offset(o, -1)"),
        ],
        "c", ["NoOp", "NoOp"],
    ),
    "directly after an affine layer": (
        [FIRST[0], ("n BatchNormComponent dim=6 block-dim=3 test-mode=true", "a")], "n", ["NoOp"],
    ),
    "directly after a layer without bias": (
        [
            ("a LinearComponent input-dim=4 output-dim=6", "input"),
            ("d DropoutComponent dim=6 dropout-proportion=0", "a"), (NORM[0], "d"),
        ],
        "n", ["NoOp"],
    ),
    "two in a row": (
        [FIRST[0], ("m BatchNormComponent dim=6 test-mode=true", "a"), (NORM[0], "m")], "n", ["NoOp", "NoOp"],
    ),
    "seen by an output": ([*FIRST, NORM], "n", ["FixedBias"]),
    "seen by an output behind a sum": (
        [*FIRST, NORM, ("o NoOpComponent dim=6", "Sum(n, Const(1.5, 6))")], "o", ["FixedBias"],
    ),
    "read where it may not be defined": (
        [*FIRST, NORM, ("c AffineComponent input-dim=6 output-dim=3", "IfDefined(Offset(n, -2))")],
        "c", ["FixedBias"],
    ),
    "after a ReLU that others read": (
        [*FIRST, NORM, ("c AffineComponent input-dim=12 output-dim=3", "Append(n, r)")], "c", ["BatchNorm"],
    ),
    "after an affine layer that others read": (
        [*FIRST, NORM, ("c AffineComponent input-dim=12 output-dim=3", "Append(n, a)")], "c", ["BatchNorm"],
    ),
    "after something else": (
        [FIRST[0], ("r SigmoidComponent dim=6", "a"), NORM,
         ("c AffineComponent input-dim=6 output-dim=3", "n")], "c", ["BatchNorm"],
    ),
    "not in test mode": (
        [*FIRST, (NORM[0].replace(" test-mode=true", ""), "r")], "n", ["BatchNorm"],
    ),
}  # fmt: skip


def made(parts: list[tuple[str, str]], output: str, rng: np.random.Generator) -> Nnet:
    """The network of `parts`, its batch-norms with random statistics."""
    lines = [INPUT]
    for component, read in parts:
        name, kind, rest = component.split(" ", 2)
        lines.append(f"component name={name} type={kind} {rest}")
        lines.append(f"component-node name={name} component={name} input={read}")
    nnet = network("\n".join([*lines, f"output-node name=output input={output}"]))
    for c in nnet.components.values():
        if isinstance(c, BatchNorm):
            c.count = 10.0
            c.stats_sum[...] = 10 * rng.standard_normal(c.block_dim)
            c.stats_sumsq[...] = 10 * (1 + rng.random(c.block_dim)) + c.stats_sum**2 / 10
    return nnet


def outputs(nnet: Nnet, x: np.ndarray) -> np.ndarray:
    """Frames 3 ... 6 of the output for input frames 0 ... 9."""
    plan = make_plan(nnet, Request({"input": range(10)}, {"output": range(3, 7)}))
    return forward(nnet, plan, {"input": x}).output()


@pytest.mark.parametrize("case", CASES)
def test_outputs_stay_and_batch_norms_go_where_they_can(case, rng):
    parts, output, left = CASES[case]
    nnet = made(parts, output, rng)
    x = rng.standard_normal((10, 2, 4)).astype(np.float32)
    expected = outputs(nnet, x)
    result = folded(nnet)
    np.testing.assert_allclose(outputs(result, x), expected, rtol=1e-5, atol=1e-5)
    norms = [name for name, c in nnet.components.items() if isinstance(c, BatchNorm)]
    assert [type(result.component_of(name)).__name__ for name in norms] == left
    np.testing.assert_array_equal(outputs(nnet, x), expected)  # what was given is as it was


def test_nodes_that_share_a_component_fold_one_batch_norm_each(rng):
    twins = [(name + part[1:], read) for name, (part, read) in zip("stu", [*FIRST, NORM])]
    twins = [twins[0], (twins[1][0], "s"), (twins[2][0], "t")]
    both = "c AffineComponent input-dim=12 output-dim=3", "Append(n, u)"
    nnet = made([*FIRST, NORM, *twins, both], "c", rng)
    nnet.nodes["s"] = replace(nnet.nodes["s"], component="a")
    x = rng.standard_normal((10, 2, 4)).astype(np.float32)
    expected = outputs(nnet, x)
    result = folded(nnet)
    np.testing.assert_allclose(outputs(result, x), expected, rtol=1e-5, atol=1e-5)
    assert not any(isinstance(c, BatchNorm) for c in result.components.values())


def test_parameters_that_stay_are_not_copied(rng):
    parts, _, _ = CASES["read by an affine layer"]
    nnet = made([*parts, ("d AffineComponent input-dim=6 output-dim=3", "Append(c, c)")], "d", rng)
    result = folded(nnet)
    assert result.component_of("d") is nnet.component_of("d")
    assert result.component_of("a") is not nnet.component_of("a")


TRANSFORMS = {  # kind of the first layer, of the second, what the first reads; whether they are joined
    "affine layers": ("AffineComponent", "AffineComponent", "Append(input, Offset(input, 1))", True),
    "the first without bias": ("LinearComponent", "AffineComponent", "input", True),
    "the second without bias": ("FixedAffineComponent", "LinearComponent", "input", True),
    "without bias": ("LinearComponent", "LinearComponent", "Offset(input, -1)", True),
    "a time-delay layer": ("AffineComponent", "TdnnComponent", "input", False),
}


@pytest.mark.parametrize("case", TRANSFORMS)
def test_layers_of_one_frame_in_a_row_become_one(case, rng):
    first, second, read, joined = TRANSFORMS[case]
    offsets = " time-offsets=0" if second == "TdnnComponent" else ""
    parts = [
        (f"a {first} input-dim={4 * (1 + read.count(',') // 2)} output-dim=6", read),
        (f"c {second} input-dim=6 output-dim=3{offsets}", "a"),
        ("n BatchNormComponent dim=3 test-mode=true", "c"),
    ]
    nnet = made(parts, "n", rng)
    x = rng.standard_normal((10, 2, 4)).astype(np.float32)
    result = folded(nnet)
    np.testing.assert_allclose(outputs(result, x), outputs(nnet, x), rtol=1e-5, atol=1e-5)
    assert ("a" not in result.nodes) == joined


@pytest.mark.parametrize(
    ("between", "read"), [(1, "a"), (6, "Append(a, a)")], ids=["a bottleneck", "seen twice"]
)
def test_layers_in_a_row_that_cost_less_apart_stay(between, read, rng):
    parts = [
        (f"a AffineComponent input-dim=4 output-dim={between}", "input"),
        (f"c AffineComponent input-dim={between * (1 + read.count(','))} output-dim=3", read),
    ]
    assert "a" in folded(made(parts, "c", rng)).nodes


def test_a_layer_that_others_read_too_is_not_joined(rng):
    parts = [FIRST[0], ("c AffineComponent input-dim=6 output-dim=3", "a")]
    nnet = made([*parts, ("d AffineComponent input-dim=9 output-dim=2", "Append(a, c)")], "d", rng)
    assert "a" in folded(nnet).nodes

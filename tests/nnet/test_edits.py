"""Edit directives: Kaldi's results where Kaldi has them, and errors that name what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from nnet.component import Updatable
from nnet.components.linear import FixedAffine
from nnet.edits import Report, edit, matches, split_edits
from nnet.formats.model import read_nnet, write_nnet
from tests.networks import TDNN, network

KALDI = (
    ("two_outputs_objectives", "set-learning-rate name=* learning-rate=0.02"),
    (
        "tdnnf",
        "set-learning-rate-factor name=*affine learning-rate-factor=0.3;set-learning-rate learning-rate=0.1",
    ),
    ("two_outputs_objectives", "remove-output-nodes name=*xent;remove-orphans"),
    ("two_outputs_objectives", "remove-output-nodes name=output-*;remove-orphan-nodes"),
    ("descriptors", "rename-node old-name=input new-name=input3"),
    ("tdnnf", "rename-node old-name=tdnn1.affine new-name=first"),
    ("ff_idct_lda_ivector", "convert-to-fixed-affine"),
    ("tdnnf", "set-dropout-proportion name=* proportion=0.1"),
    ("tdnnf", "set-dropout-proportion name=tdnnf2* proportion=0.3 # a comment"),
    ("tdnnf", "remove-orphans remove-orphan-inputs=true"),
)
TWO_OUTPUTS = (
    TDNN + "component-node name=more component=h2 input=h1.relu\noutput-node name=extra input=more\n"
)


def run(nnet, text):
    logs, warnings = [], []
    return edit(nnet, split_edits(text), Report(logs.append, warnings.append)), logs, warnings


@pytest.mark.parametrize(("case", "text"), KALDI)
def test_results_are_kaldis_byte_for_byte(case, text, shared, kaldi, tmp_path):
    name = str(shared / "golden" / "cases" / case / "0.raw")
    kaldi("nnet3-copy", f"--edits={text}", name, tmp_path / "kaldi.raw")
    write_nnet(run(read_nnet(name), text)[0], str(tmp_path / "ours.raw"))
    assert (tmp_path / "ours.raw").read_bytes() == (tmp_path / "kaldi.raw").read_bytes()


def test_a_pattern_knows_only_the_star():
    assert matches("tdnn1.affine", "tdnn*.affine") and matches("a", "*") and matches("a[b]", "a[b]")
    assert not matches("tdnn1.affine", "tdnn?.affine") and not matches("xtdnn", "tdnn*")


def test_orphans_are_removed():
    nnet, logs, _ = run(network(TWO_OUTPUTS), "remove-output-nodes name=extra; remove-orphans")
    assert "more" not in nnet.nodes and nnet.output_names() == ["output"]
    assert logs == [
        "Removing 1 output nodes.",
        "Removed 1 orphan nodes.",
        "Removing 0 orphan components.",
    ]


def test_components_without_nodes_are_removed():
    nnet, logs, _ = run(
        network(TDNN + "component name=idle type=NoOpComponent dim=3\n"), "remove-orphan-components"
    )
    assert "idle" not in nnet.components and logs == ["Removing 1 orphan components."]


def test_unused_inputs_stay_unless_asked():
    text = TDNN + "input-node name=spare dim=3\n"
    assert "spare" in run(network(text), "remove-orphan-nodes")[0].nodes
    assert "spare" not in run(network(text), "remove-orphan-nodes remove-orphan-inputs=true")[0].nodes


def test_learning_rates_take_their_factors():
    nnet, logs, _ = run(
        network(),
        "set-learning-rate-factor name=h2 learning-rate-factor=0.5; set-learning-rate learning-rate=0.25",
    )
    assert nnet.components["h2"].learning_rate == 0.125
    assert nnet.components["h1.affine"].learning_rate == 0.25
    assert logs == ["Set learning rate factors for 1 components.", "Set learning rates for 4 components."]


def test_l2_can_be_set_by_pattern():
    nnet, logs, _ = run(network(), "set-l2-regularize name=*affine l2-regularize=0.5")
    l2 = {name: c.l2_regularize for name, c in nnet.components.items() if isinstance(c, Updatable)}
    assert l2 == {"h1.affine": 0.5, "output.affine": 0.5, "h2": 0.01, "scale": 0.02}
    assert logs == ["Set l2-regularize for 2 components."]


def test_affine_components_can_be_fixed():
    before = network()
    nnet, logs, _ = run(before, "convert-to-fixed-affine name=h1*")
    assert isinstance(nnet.components["h1.affine"], FixedAffine)
    np.testing.assert_array_equal(nnet.components["h1.affine"].W, before.components["h1.affine"].W)
    assert logs == ["Converted 1 components to FixedAffineComponent."]


def test_renaming_reaches_dim_ranges_and_descriptors():
    text = (
        TDNN + "dim-range-node name=part input-node=h2 dim-offset=0 dim=2\noutput-node name=o2 input=part\n"
    )
    nnet, _, _ = run(network(text), "rename-node old-name=h2 new-name=bottleneck")
    assert nnet.nodes["part"].source == "bottleneck"
    assert str(nnet.nodes["scale"].input) == "bottleneck"
    assert list(nnet.nodes).index("bottleneck") == list(network(text).nodes).index("h2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("remove-orphan", "edits:1: there is no edit directive remove-orphan; did you mean remove-orphans"),
        ("frobnicate", "no edit directive frobnicate; there are convert-to-fixed-affine, "),
        (
            "remove-orphans; set-learning-rate learning-rat=1",
            "edits:2: set-learning-rate needs learning-rate=",
        ),
        ("set-learning-rate learning-rate=1 nam=x", "has no option nam; did you mean name"),
        ("remove-output-nodes name=*", "would remove all outputs"),
        ("rename-node old-name=h1.rel new-name=x", "there is no node h1.rel; did you mean h1.relu"),
        ("rename-node old-name=h2 new-name=scale", "another node has this name"),
        ("rename-node old-name=h2 new-name=3x", "no valid name"),
        ("set-dropout-proportion proportion=1.5", "must lie between 0 and 1"),
        ("set-l2-regularize l2-regularize=-1", "must not be negative"),
        ("reduce-rank name=* rank=0", "rank=0 must be above 0"),
        ("apply-svd name=*", "needs bottleneck-dim above 0, or energy-threshold between 0 and 1"),
        ("remove-orphan-components all=true", "has no option all"),
    ],
)
def test_mistakes_are_named(text, message):
    with pytest.raises(ValueError, match=message):
        run(network(), text)

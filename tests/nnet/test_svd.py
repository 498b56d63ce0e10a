"""Smaller components by singular values: exact where nothing is lost, Kaldi's network where something is."""

from __future__ import annotations

import numpy as np
import pytest

from nnet.edits import Report, edit, split_edits
from nnet.formats.model import read_nnet
from tests.networks import TDNN, network


def run(nnet, text):
    logs, warnings = [], []
    return edit(nnet, split_edits(text), Report(logs.append, warnings.append)), logs, warnings


def low_rank(rank, seed=0):
    """A network whose first component has this rank."""
    nnet = network()
    r = np.random.default_rng(seed)
    c = nnet.components["h1.affine"]
    c.W = (r.standard_normal((12, rank)) @ r.standard_normal((rank, 15))).astype(np.float32)
    return nnet


def product(nnet, name="h1.affine"):
    return nnet.components[name + "_b"].W @ nnet.components[name + "_a"].W


@pytest.mark.parametrize("how", ["bottleneck-dim=3", "energy-threshold=0.9999999"])
def test_a_component_of_low_rank_is_split_without_loss(how):
    before = low_rank(3)
    nnet, logs, _ = run(before, f"apply-svd name=h1.affine {how}")
    np.testing.assert_allclose(product(nnet), before.components["h1.affine"].W, atol=1e-5)
    assert nnet.components["h1.affine_a"].output_dim == 3
    np.testing.assert_array_equal(nnet.components["h1.affine_b"].b, before.components["h1.affine"].b)
    assert str(nnet.nodes["h1.relu"].input) == "h1.affine_b"
    assert "h1.affine" not in nnet.nodes and "h1.affine" not in nnet.components
    assert "Decomposed 1 components with SVD dimension 3" in logs


def test_factors_keep_the_training_options():
    before = low_rank(3)
    before.components["h1.affine"].set_learning_rate(0.25)
    nnet, _, _ = run(before, "apply-svd name=h1.affine bottleneck-dim=3")
    for name in ("h1.affine_a", "h1.affine_b"):
        c = nnet.components[name]
        assert (c.learning_rate, c.max_change, c.l2_regularize) == (0.25, 0.75, 0.03)


def test_the_network_is_kaldis_but_for_signs(shared, kaldi, tmp_path):
    name = str(shared / "golden" / "cases" / "ff_relu_renorm" / "0.raw")
    text = "apply-svd name=*2.affine bottleneck-dim=4 shrinkage-threshold=0.99"
    kaldi("nnet3-copy", f"--edits={text}", name, tmp_path / "k.raw")
    theirs, ours = read_nnet(str(tmp_path / "k.raw")), run(read_nnet(name), text)[0]
    assert ours.config_lines() == theirs.config_lines()
    assert list(ours.components) == list(theirs.components)
    np.testing.assert_allclose(product(ours, "hidden2.affine"), product(theirs, "hidden2.affine"), atol=1e-5)


def test_what_would_not_shrink_stays():
    nnet, logs, warnings = run(low_rank(3), "apply-svd name=* bottleneck-dim=5 shrinkage-threshold=0.5")
    assert list(nnet.nodes) == list(network().nodes)
    assert any(line.startswith("Shrinkage ratio 0.75 greater than threshold : 0.5") for line in logs)
    assert "Not decomposing component h1.relu as it is not an AffineComponent." in warnings
    assert any("output.affine with SVD to rank 5 because its dimension is 6 -> 4" in w for w in warnings)


@pytest.mark.parametrize(
    "line", ["component name=h1.affine_a type=NoOpComponent dim=3", "input-node name=h1.affine_a dim=3"]
)
def test_names_that_exist_already_are_refused(line):
    with pytest.raises(ValueError, match="already has"):
        run(network(TDNN + line + "\n"), "apply-svd name=h1.affine bottleneck-dim=3")


def test_rank_is_reduced_in_place():
    before = network()
    s = np.linalg.svd(before.components["h1.affine"].W, compute_uv=False)
    nnet, logs, warnings = run(before, "reduce-rank name=* rank=5")
    after = np.linalg.svd(nnet.components["h1.affine"].W, compute_uv=False)
    np.testing.assert_allclose(after[:5], s[:5], rtol=1e-4)
    assert after[5:].max() < 1e-5
    assert logs[-1] == "Reduced rank of parameters of 1 components."
    assert any(w.startswith("Not reducing rank of component h2 as it is not") for w in warnings)


@pytest.mark.parametrize(
    "text", ["reduce-rank name=h1.affine rank=3", "apply-svd name=h1.affine bottleneck-dim=3"]
)
def test_a_decomposition_that_lapack_fails_at_is_made_another_way(text, monkeypatch):
    def fail(m, full_matrices):
        raise np.linalg.LinAlgError("SVD did not converge")

    before = low_rank(3)
    W = before.components["h1.affine"].W.copy()
    monkeypatch.setattr(np.linalg, "svd", fail)
    nnet, _, _ = run(before, text)
    after = product(nnet) if text.startswith("apply") else nnet.components["h1.affine"].W
    np.testing.assert_allclose(after, W, atol=1e-5)


def test_a_matrix_that_is_not_finite_is_named():
    before = low_rank(3)
    before.components["h1.affine"].W[2, 1] = np.nan
    with pytest.raises(
        ValueError, match=r"the matrix of component h1.affine has 1 values of 180 that are NaN"
    ):
        run(before, "reduce-rank name=h1.affine rank=3")

"""Arithmetic on models: copies, sums, norms, by the roles of fields."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from nnet import tree
from nnet.component import params
from tests.networks import network
from tests.nnet.programs.workshop import settled


def test_a_copy_is_independent_and_starts_without_natural_gradient():
    c = network().components["h1.affine"]
    c.scratch["ng"] = 1
    twin = tree.copy(c)
    twin.W += 1
    assert twin.scratch == {} and not np.array_equal(twin.W, c.W)


def test_types_are_changed_of_floats_only():
    c = tree.astype(settled().components["h1.batchnorm"], np.float32)
    assert c.stats_sum.dtype == np.float32 and c.dim == 12
    assert tree.astype(network().components["h2"], np.float64).W.dtype == np.float64


def test_scaling_by_zero_clears_a_nan():
    c = settled().components["h1.batchnorm"]
    c.stats_sum[0] = np.nan
    c.count = float("nan")
    tree.scale(c, 0.0)
    assert c.count == 0 and not c.stats_sum.any()


def test_scaling_of_one_role_leaves_the_other():
    c = settled().components["h1.batchnorm"]
    before = c.stats_sum.copy()
    tree.scale(c, 0.5, "param")
    assert np.array_equal(c.stats_sum, before)
    tree.scale(c, 0.5, "stat")
    np.testing.assert_allclose(c.stats_sum, before / 2)
    assert c.count == 50


def test_sums_are_those_of_parameters_and_statistics():
    a, b = settled(), settled(seed=1)
    for name in ("h2", "h1.batchnorm"):
        x, y = tree.copy(a.components[name]), b.components[name]
        tree.add(x, y, -2.0)
        for key in params(x):
            np.testing.assert_allclose(
                getattr(x, key), getattr(a.components[name], key) - 2 * getattr(y, key), rtol=1e-5, atol=1e-6
            )
    assert x.count == -100


def test_statistics_that_were_never_stored_take_those_of_the_other():
    empty, full = (network().components["h1.relu"] for _ in range(2))
    full.value_sum, full.count = np.arange(12.0), 4.0
    assert empty.value_sum is None or empty.value_sum.size == 0
    tree.add(empty, full, 0.5)
    np.testing.assert_allclose(empty.value_sum, np.arange(12.0) / 2)
    tree.add(full, network().components["h1.relu"], 0.5)  # and what is empty changes nothing
    np.testing.assert_allclose(full.value_sum, np.arange(12.0))


def test_an_absent_array_takes_the_others_and_gives_nothing():
    with_bias, without = (network().components["output.affine"] for _ in range(2))
    without.b = None
    tree.scale(without, 2.0)
    tree.add(with_bias, without)
    assert with_bias.b is not None
    tree.add(without, with_bias, 0.5)
    np.testing.assert_allclose(without.b, with_bias.b / 2)


def test_inner_products_and_norms_count_parameters_only():
    a, b = (settled(seed=s).components["h1.affine"] for s in (0, 1))
    expected = float((a.W.astype(float) * b.W).sum() + (a.b.astype(float) * b.b).sum())
    assert float(tree.dot(a, b)) == pytest.approx(expected, rel=1e-5)
    assert sqrt(float(tree.sumsq(a))) == pytest.approx(np.sqrt((a.W**2).sum() + (a.b**2).sum()), rel=1e-6)
    assert tree.sumsq(settled().components["h1.batchnorm"]) == 0


def test_the_first_component_that_is_not_finite_is_named():
    nnet = settled()
    assert tree.all_finite(nnet.components) is None
    nnet.components["scale"].scales[2] = np.inf
    nnet.components["h1.batchnorm"].stats_sum[2] = np.nan
    assert tree.all_finite(nnet.components) == "h1.batchnorm"


def test_zeros_leave_the_model_alone():
    nnet = settled()
    zeros = tree.zeros_like(nnet.components)
    assert not any(a.any() for c in zeros.values() for a in params(c).values())
    assert nnet.components["h2"].W.any() and nnet.components["h1.batchnorm"].count == 100
    assert [name for name, _ in tree.updatable(zeros)] == ["h1.affine", "h2", "scale", "output.affine"]

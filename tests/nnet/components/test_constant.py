"""Constant outputs: trained, and not."""

import numpy as np
import pytest

from nnet import tree
from nnet.component import Io, num_params
from nnet.components.constant import Constant, ConstantFunction
from nnet.config_line import ConfigLine
from nnet.natural_gradient import OnlineNaturalGradient
from tests.checks import gradient_check

IO = Io((0, 1, 2), (0, 1, 2), 2)


def make(cls, text):
    line = ConfigLine(f"component {text}", "a:1")
    c = cls.configure(line, np.random.default_rng(0))
    line.finish()
    return c


def function(more=""):
    return make(ConstantFunction, f"input-dim=4 output-dim=3 output-mean=1 output-stddev=0.5 {more}")


def test_gradients_match_differences(rng):
    gradient_check(function(), rng.standard_normal((3, 2, 4)), IO, rng)


def test_every_frame_is_the_vector():
    c = function()
    y, _ = c.forward(np.zeros((3, 2, 4), np.float32), IO)
    np.testing.assert_array_equal(y, np.broadcast_to(c.output, (3, 2, 3)))


def test_a_constant_reads_nothing(rng):
    c = make(Constant, "output-dim=3 output-stddev=1")
    assert c.reads(5) == [] and function().reads(5) == [5]
    io = Io((), (0, 1), 2)
    x = np.zeros((0, 2, 3), np.float32)
    y, _ = c.forward(x, io)
    assert y.shape == (2, 2, 3) and c.backward(y, x, y, None, io).shape == x.shape


def test_update_preconditions_the_derivatives(rng):
    c = make(Constant, "output-dim=3 learning-rate=0.5")
    delta = tree.zeros_like({"c": c})["c"]
    dy = rng.standard_normal((3, 2, 3)).astype(np.float32)
    c.update(delta, dy, None, None, None, IO)
    hat, s = OnlineNaturalGradient(20, update_period=4).precondition(dy.reshape(-1, 3))
    np.testing.assert_allclose(delta.output, 0.5 * s * hat.sum(axis=0), rtol=1e-4)


def test_without_natural_gradient_the_derivatives_are_summed(rng):
    c = function("use-natural-gradient=false learning-rate=0.5")
    delta = tree.zeros_like({"c": c})["c"]
    dy = rng.standard_normal((3, 2, 3)).astype(np.float32)
    c.update(delta, dy, None, None, None, IO)
    np.testing.assert_allclose(delta.output, 0.5 * dy.sum(axis=(0, 1)), rtol=1e-5)


def test_what_is_not_updatable_is_no_parameter(rng):
    c = function("is-updatable=false")
    before = c.output.copy()
    delta = tree.zeros_like({"c": c})["c"]
    c.update(delta, np.ones((3, 2, 3), np.float32), None, None, None, IO)
    tree.add(c, delta)
    tree.scale(c, 0.5)
    np.testing.assert_array_equal(c.output, before)
    assert num_params(c) == 0 and not list(tree.updatable({"c": c}))


def test_dims_must_be_positive():
    with pytest.raises(ValueError, match="a:1: output-dim=0 is not positive"):
        make(Constant, "output-dim=0")


def test_info_is_in_kaldis_words():
    assert make(Constant, "output-dim=3 output-mean=1").describe() == (
        "ConstantComponent, input-dim=3, output-dim=3, learning-rate=0.001, ConstantComponent, output-dim=3, "
        "is-updatable=true, use-natural-gradient=true, output-{mean,stddev}=1,0"
    )
    assert "ConstantFunctionComponent, input-dim=4, output-dim=3, is-updatable=true" in function().describe()

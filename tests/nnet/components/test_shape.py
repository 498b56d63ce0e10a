import numpy as np
import pytest

from nnet import tree
from nnet.component import Io
from nnet.components.shape import ElementwiseProduct, NoOp, Permute, Pnorm, SumBlock, SumGroup
from nnet.config_line import ConfigLine
from tests.checks import gradient_check

T, N, D = 3, 4, 6
IO = Io(t_in=tuple(range(T)), t_out=tuple(range(T)), n=N)

ALL = [
    (NoOp, "dim=6"),
    (Permute, "column-map=2,0,1,5,3,4"),
    (SumBlock, "input-dim=6 output-dim=2 scale=0.5"),
    (SumBlock, "input-dim=6 output-dim=6"),
    (ElementwiseProduct, "input-dim=6 output-dim=3"),
    (ElementwiseProduct, "input-dim=6 output-dim=2"),
    (SumGroup, "sizes=1,3,2"),
    (SumGroup, "input-dim=6 output-dim=3"),
    (Pnorm, "input-dim=6 output-dim=3"),
]


def make(cls, text):
    line = ConfigLine(f"component name=c type={cls.TYPE} {text}")
    line.str("name"), line.str("type")
    c = cls.configure(line, np.random.default_rng(0))
    line.finish()
    return c


def data():
    return np.random.default_rng(1).standard_normal((T, N, D)).astype(np.float32)


@pytest.mark.parametrize(("cls", "text"), ALL)
def test_backward_matches_numeric_gradient(cls, text):
    gradient_check(make(cls, text), data(), IO, np.random.default_rng(2))


@pytest.mark.parametrize(("cls", "text"), ALL)
def test_single_precision_stays_and_arguments_are_unchanged(cls, text):
    c, x = make(cls, text), data()
    y, memo = c.forward(x, IO)
    dy = np.ones_like(y)
    dx = c.backward(dy, x, y, memo, IO)
    assert (y.dtype, dx.dtype, dx.shape) == (np.float32, np.float32, x.shape)
    assert y.shape == (T, N, c.output_dim) and c.input_dim == D
    assert np.array_equal(x, data()) and np.array_equal(dy, np.ones_like(dy))


@pytest.mark.parametrize(
    ("cls", "text", "expected"),
    [
        (NoOp, "dim=6", [1, 2, 3, 4, 5, 6]),
        (Permute, "column-map=2,0,1,5,3,4", [3, 1, 2, 6, 4, 5]),
        (SumBlock, "input-dim=6 output-dim=2 scale=0.5", [4.5, 6]),
        (ElementwiseProduct, "input-dim=6 output-dim=3", [4, 10, 18]),
        (ElementwiseProduct, "input-dim=6 output-dim=2", [15, 48]),
        (SumGroup, "sizes=1,3,2", [1, 9, 11]),
        (SumGroup, "input-dim=6 output-dim=3", [3, 7, 11]),
        (Pnorm, "input-dim=6 output-dim=3", [5**0.5, 5, 61**0.5]),
    ],
)
def test_values_by_hand(cls, text, expected):
    y, _ = make(cls, text).forward(np.arange(1.0, 7.0).reshape(1, 1, 6), IO)
    np.testing.assert_allclose(y.ravel(), expected)


def test_noop_scales_only_the_derivative():
    c, x = make(NoOp, "dim=6 backprop-scale=0.25"), data()
    y, memo = c.forward(x, IO)
    assert np.array_equal(y, x)
    np.testing.assert_array_equal(c.backward(x, x, y, memo, IO), 0.25 * x)


def test_permute_survives_a_copy():
    c, x = make(Permute, "column-map=1,2,0,3,5,4"), data()
    y, _ = c.forward(x, IO)
    np.testing.assert_array_equal(tree.copy(c).forward(x, IO)[0], y)


def test_pnorm_of_zeros_has_derivative_zero():
    c, x = make(Pnorm, "input-dim=6 output-dim=3"), np.zeros((1, 1, 6), np.float32)
    y, memo = c.forward(x, IO)
    assert not c.backward(np.ones_like(y), x, y, memo, IO).any()


@pytest.mark.parametrize(
    ("cls", "text", "message"),
    [
        (NoOp, "dim=-1", "dim=-1 is not positive"),
        (Permute, "column-map=0,0,2", "exactly once"),
        (Permute, "column-map=0,3,1", "exactly once"),
        (SumBlock, "input-dim=6 output-dim=4", "input-dim=6 is not a multiple of output-dim=4"),
        (ElementwiseProduct, "input-dim=6 output-dim=6", "two or more"),
        (SumGroup, "sizes=3,0", "sizes=3,0"),
        (SumGroup, "output-dim=3", "needs input-dim"),
        (Pnorm, "input-dim=6 output-dim=3 p=1", "no option p"),
    ],
)
def test_bad_configs_are_refused_by_name(cls, text, message):
    with pytest.raises(ValueError, match=message):
        make(cls, text)


@pytest.mark.parametrize(
    ("cls", "text", "expected"),
    [
        (NoOp, "dim=6", "dim=6"),
        (NoOp, "dim=6 backprop-scale=0.5", "dim=6, backprop-scale=0.5"),
        (Permute, "column-map=1,0", "dim=2 , column-map=[ 1 0 ]"),
        (Permute, "column-map=2,0,1,5,3,4", "dim=6 , column-map=[ 2 0 1 5 3 ... ]"),
        (SumBlock, "input-dim=6 output-dim=1 scale=0.166666666", "input-dim=6, output-dim=1, scale=0.166667"),
        (SumGroup, "sizes=1,3,2", "input-dim=6, output-dim=3"),
    ],
)
def test_info_names_the_settings(cls, text, expected):
    c = make(cls, text)
    assert ", ".join(c.info_dims() + c.info()) == expected

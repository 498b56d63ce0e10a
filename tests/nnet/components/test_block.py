"""Block-diagonal affine layers against the full matrix."""

import numpy as np
import pytest

from nnet import tree
from nnet.component import Io
from nnet.components.block import BlockAffine, NaturalGradientRepeatedAffine, RepeatedAffine, unrepeated
from nnet.components.composite import Composite
from nnet.config_line import ConfigLine
from nnet.natural_gradient import OnlineNaturalGradient
from tests.checks import gradient_check

T, N = 5, 3
IO = Io(tuple(range(T)), tuple(range(T)), N)
DIMS = "input-dim=12 output-dim=6"


def make(cls, text):
    line = ConfigLine(f"component {text}", "a:1")
    c = cls.configure(line, np.random.default_rng(0))
    line.finish()
    return c


CASES = [
    (RepeatedAffine, f"{DIMS} num-repeats=3 bias-stddev=1"),
    (RepeatedAffine, f"{DIMS} num-repeats=1 bias-mean=2"),
    (NaturalGradientRepeatedAffine, f"{DIMS} num-repeats=2"),
    (BlockAffine, f"{DIMS} num-blocks=3"),
    (BlockAffine, f"{DIMS} num-blocks=1"),
]


def full(c):
    """W (out, in) and b (out,) of the affine layer that computes the same."""
    number = getattr(c, "num_repeats", None) or c.num_blocks
    high, wide = c.output_dim // number, c.input_dim // number
    W = np.zeros((c.output_dim, c.input_dim))
    for i in range(number):
        block = c.W if hasattr(c, "num_repeats") else c.W[i * high : (i + 1) * high]
        W[i * high : (i + 1) * high, i * wide : (i + 1) * wide] = block
    return W, np.tile(c.b, c.output_dim // len(c.b))


@pytest.mark.parametrize("cls, text", CASES)
def test_forward_multiplies_by_the_block_diagonal_matrix(rng, cls, text):
    c = make(cls, text)
    x = rng.standard_normal((T, N, 12)).astype(np.float32)
    y, _ = c.forward(x, IO)
    W, b = full(c)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, x @ W.T + b, atol=1e-5)


@pytest.mark.parametrize("cls, text", CASES)
def test_no_frame_gives_no_frame(cls, text):
    c, io, x = make(cls, text), Io((), (), N), np.zeros((0, N, 12), np.float32)
    y, _ = c.forward(x, io)
    assert y.shape == (0, N, 6) and c.backward(y, x, y, None, io).shape == x.shape


@pytest.mark.parametrize("cls, text", CASES)
def test_gradients_match_differences(rng, cls, text):
    gradient_check(make(cls, text), rng.standard_normal((T, N, 12)), IO, rng)


def test_the_gradient_of_the_repeated_block_is_preconditioned(rng):
    c = make(NaturalGradientRepeatedAffine, f"{DIMS} num-repeats=2 learning-rate=0.5")
    delta, plain = (tree.zeros_like({"c": c})["c"] for _ in range(2))
    plain.is_gradient = True
    x, dy = (rng.standard_normal((T, N, d)).astype(np.float32) for d in (12, 6))
    c.update(delta, dy, x, None, None, IO)
    c.update(plain, dy, x, None, None, IO)
    G, s = OnlineNaturalGradient(3, update_period=4).precondition(np.hstack([plain.W, plain.b[:, None]]))
    np.testing.assert_allclose(np.hstack([delta.W, delta.b[:, None]]), s * G, rtol=1e-4, atol=1e-5)


def test_the_preconditioner_moves_even_when_frozen(rng):
    c = make(NaturalGradientRepeatedAffine, f"{DIMS} num-repeats=2")
    delta = tree.zeros_like({"c": c})["c"]
    x, dy = (rng.standard_normal((T, N, d)).astype(np.float32) for d in (12, 6))
    c.update(delta, dy, x, None, None, IO)
    before = delta.scratch["in"].W.copy()
    delta.scratch["frozen"] = True
    c.update(delta, dy[::-1], x, None, None, IO)
    assert not np.array_equal(delta.scratch["in"].W, before)


@pytest.mark.parametrize("cls, key", [(RepeatedAffine, "num-repeats"), (BlockAffine, "num-blocks")])
def test_blocks_must_divide_the_dims(cls, key):
    with pytest.raises(ValueError, match=f"a:1: {key}=5 does not divide input-dim=12 and output-dim=6"):
        make(cls, f"{DIMS} {key}=5")


@pytest.mark.parametrize("cls, text", CASES[:3])
def test_repeated_blocks_become_blocks_of_their_own(rng, cls, text):
    c = make(cls, f"{text} learning-rate=0.5 max-change=2")
    x = rng.standard_normal((T, N, 12)).astype(np.float32)
    new = unrepeated(c)
    assert isinstance(new, BlockAffine) and (new.learning_rate, new.max_change) == (0.5, 2)
    np.testing.assert_allclose(new.forward(x, IO)[0], c.forward(x, IO)[0], atol=1e-6)


def test_repeated_blocks_are_replaced_inside_a_composite_component():
    repeated, other = make(*CASES[0]), make(*CASES[3])
    new = unrepeated(Composite(parts=(make(BlockAffine, "input-dim=6 output-dim=12 num-blocks=1"), repeated)))
    assert [part.TYPE for part in new.leaves()] == ["BlockAffineComponent"] * 2
    assert unrepeated(other) is other


def test_random_blocks_have_unit_gain():
    c = make(BlockAffine, "input-dim=400 output-dim=400 num-blocks=4")
    assert abs(c.W.std() * 10 - 1) < 0.05 and c.b.std() > 0.9


def test_info_is_in_kaldis_words():
    assert (
        make(*CASES[2])
        .describe()
        .startswith(
            "NaturalGradientRepeatedAffineComponent, input-dim=12, output-dim=6, learning-rate=0.001, "
            "num-repeats=2, linear-params-rms="
        )
    )
    assert "num-blocks=3, linear-params-rms=" in make(*CASES[3]).describe()

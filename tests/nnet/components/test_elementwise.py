"""Scales and offsets per element."""

import numpy as np
import pytest

from nnet import tree
from nnet.component import Io, params
from nnet.components.elementwise import (
    FixedBias,
    FixedScale,
    NaturalGradientPerElementScale,
    PerElementOffset,
    PerElementScale,
    ScaleAndOffset,
)
from nnet.config_line import ConfigLine
from nnet.natural_gradient import OnlineNaturalGradient
from tests.checks import gradient_check

T, N, D = 5, 4, 6
RANDOM = f"dim={D} param-mean=0.7 param-stddev=0.5"
TRAINED = [
    (PerElementScale, RANDOM),
    (NaturalGradientPerElementScale, RANDOM),
    (PerElementOffset, RANDOM),
    (PerElementOffset, RANDOM + " block-dim=2"),
    (ScaleAndOffset, f"dim={D}"),
    (ScaleAndOffset, f"dim={D} block-dim=3"),
]
ALL = [(FixedScale, f"dim={D}"), (FixedBias, f"dim={D}"), *TRAINED]


def make(cls, text, load_matrix=None):
    line = ConfigLine(f"component {text}", load_matrix=load_matrix)
    rng = np.random.default_rng(0)
    c = cls.configure(line, rng)
    line.finish()
    return c


def shaken(cls, text):
    """A component whose scales and offsets are not their initial ones."""
    c = make(cls, text)
    for a in params(c).values():
        a[...] += np.random.default_rng(1).uniform(0.3, 0.8, a.shape)
    return c


def io():
    return Io(t_in=tuple(range(T)), t_out=tuple(range(T)), n=N)


def sample(rng):
    return rng.standard_normal((T, N, D)).astype(np.float32)


def repeated(v):
    return np.tile(v, D // len(v))


@pytest.mark.parametrize(("cls", "text"), ALL)
def test_gradients_match_differences(rng, cls, text):
    gradient_check(shaken(cls, text), sample(rng), io(), rng)


@pytest.mark.parametrize(("cls", "text"), ALL)
def test_forward_keeps_shape_type_and_argument(rng, cls, text):
    c, x = make(cls, text), sample(rng)
    kept = x.copy()
    y, _ = c.forward(x, io())
    assert y.shape == x.shape and y.dtype == x.dtype and np.array_equal(x, kept)
    assert c.input_dim == c.output_dim == D


def test_forward_scales_and_adds(rng):
    x = sample(rng)
    both = shaken(ScaleAndOffset, f"dim={D} block-dim=3")
    np.testing.assert_allclose(
        both.forward(x, io())[0], x * repeated(both.scales) + repeated(both.offsets), atol=1e-6
    )
    offset = make(PerElementOffset, RANDOM + " block-dim=2")
    np.testing.assert_allclose(offset.forward(x, io())[0], x + repeated(offset.offsets), atol=1e-6)
    scale = make(PerElementScale, RANDOM)
    np.testing.assert_allclose(scale.forward(x, io())[0], x * scale.scales, atol=1e-6)


def test_scales_near_zero_are_pushed_away_in_forward_only(rng):
    c, x, dy = make(ScaleAndOffset, "dim=6"), sample(rng), sample(rng)
    c.scales[:] = [0, 1e-5, -1e-5, 0.5, -2e-4, 1]
    y, _ = c.forward(x, io())
    np.testing.assert_allclose(y, x * np.float32([1e-4, 1e-4, -1e-4, 0.5, -2e-4, 1]), rtol=1e-6)
    np.testing.assert_array_equal(c.backward(dy, x, y, None, io()), dy * c.scales)


def gradient_of(c, x, dy, **fields):
    delta = tree.zeros_like({"c": c})["c"]
    delta.learning_rate = 0.5
    for name, value in fields.items():
        setattr(delta, name, value)
    c.update(delta, dy, x, None, None, io())
    return delta


def natural_sum(rows, *settings):
    x_hat, scale = OnlineNaturalGradient(*settings).precondition(rows)
    return 0.5 * scale * x_hat.sum(axis=0)


def test_natural_gradient_of_scales_takes_one_row_per_frame(rng):
    c = make(
        NaturalGradientPerElementScale, f"dim={D} rank=2 update-period=3 alpha=2 num-samples-history=500"
    )
    x, dy = sample(rng), sample(rng)
    expected = natural_sum((x * dy).reshape(-1, D), 2, 2.0, 3, 500.0)
    np.testing.assert_allclose(gradient_of(c, x, dy).scales, expected, atol=1e-5)


def test_natural_gradient_of_offsets_takes_one_row_per_block(rng):
    x, dy = sample(rng), sample(rng)
    delta = gradient_of(make(PerElementOffset, f"dim={D} block-dim=3"), x, dy)
    np.testing.assert_allclose(delta.offsets, natural_sum(dy.reshape(-1, 3), 20, 4.0, 4, 2000.0), atol=1e-5)


def test_natural_gradient_of_scale_and_offset_has_two_estimates(rng):
    x, dy = sample(rng), sample(rng)
    delta = gradient_of(make(ScaleAndOffset, f"dim={D} rank=3"), x, dy)
    rows = dy.reshape(-1, D)
    np.testing.assert_allclose(delta.offsets, natural_sum(rows, 3, 4.0, 4, 2000.0), atol=1e-5)
    np.testing.assert_allclose(
        delta.scales, natural_sum(rows * x.reshape(-1, D), 3, 4.0, 4, 2000.0), atol=1e-5
    )


@pytest.mark.parametrize(
    ("cls", "text", "key", "freezes"),
    [
        (NaturalGradientPerElementScale, f"dim={D} rank=3", "scales", True),
        (PerElementOffset, f"dim={D}", "offsets", False),
        (ScaleAndOffset, f"dim={D} rank=3", "offsets", False),
        (ScaleAndOffset, f"dim={D} rank=3", "scales", False),
    ],
)
def test_offsets_learn_in_both_passes_of_backstitch_as_in_kaldi(rng, cls, text, key, freezes):
    c = make(cls, text)
    delta = gradient_of(c, sample(rng), sample(rng))
    before = delta.scratch[key].W
    delta.scratch["frozen"] = True
    c.update(delta, sample(rng), sample(rng), None, None, io())
    assert (delta.scratch[key].W is before) == freezes


@pytest.mark.parametrize("cls", [PerElementOffset, ScaleAndOffset])
def test_natural_gradient_can_be_switched_off(rng, cls):
    x, dy = sample(rng), sample(rng)
    delta = gradient_of(make(cls, f"dim={D} use-natural-gradient=false"), x, dy)
    np.testing.assert_allclose(delta.offsets, 0.5 * dy.sum(axis=(0, 1)), atol=1e-5)
    assert not delta.scratch


def test_plain_scales_sum_over_frames(rng):
    x, dy = sample(rng), sample(rng)
    delta = gradient_of(make(PerElementScale, f"dim={D}"), x, dy)
    np.testing.assert_allclose(delta.scales, 0.5 * (x * dy).sum(axis=(0, 1)), atol=1e-5)


@pytest.mark.parametrize(("cls", "text"), TRAINED)
def test_learning_rate_zero_changes_nothing(rng, cls, text):
    delta = gradient_of(make(cls, text), sample(rng), sample(rng), learning_rate=0.0)
    assert not any(a.any() for a in params(delta).values()) and not delta.scratch


def test_one_dimensional_blocks_need_no_preconditioning(rng):
    dy = sample(rng)
    delta = gradient_of(make(PerElementOffset, f"dim={D} block-dim=1"), sample(rng), dy)
    np.testing.assert_allclose(delta.offsets, [0.5 * dy.sum()], rtol=1e-4)


@pytest.mark.parametrize(
    ("cls", "key", "field"),
    [
        (FixedScale, "scales", "scales"),
        (FixedBias, "bias", "bias"),
        (PerElementScale, "vector", "scales"),
        (NaturalGradientPerElementScale, "scales", "scales"),
        (PerElementOffset, "vector", "offsets"),
    ],
)
def test_vector_comes_from_a_file(cls, key, field):
    c = make(cls, f"{key}=f", lambda path: np.array([1.0, 2.0, 3.0]))
    assert getattr(c, field).tolist() == [1, 2, 3] and getattr(c, field).dtype == np.float32


def test_offsets_from_a_file_may_be_a_block():
    c = make(PerElementOffset, "vector=f dim=6", lambda path: np.array([1.0, 2.0, 3.0]))
    assert c.input_dim == 6 and len(c.offsets) == 3


def test_fixed_scale_may_be_one_number():
    assert make(FixedScale, "dim=3 scale=0.5").scales.tolist() == [0.5, 0.5, 0.5]


def test_initial_values_are_kaldis():
    assert (make(PerElementScale, "dim=3").scales == 1).all()
    assert (make(PerElementOffset, "dim=3").offsets == 0).all()
    both = make(ScaleAndOffset, "dim=3")
    assert (both.scales == 1).all() and (both.offsets == 0).all() and both.rank == 20
    natural = make(NaturalGradientPerElementScale, "dim=3")
    assert (natural.rank, natural.update_period, natural.alpha) == (8, 10, 4.0)


@pytest.mark.parametrize(
    ("cls", "text", "message"),
    [
        (PerElementOffset, "dim=6 block-dim=4", "dim=6 is not a positive multiple of the block's 4"),
        (ScaleAndOffset, "dim=6 block-dim=0", "dim=6 is not a positive multiple of the block's 0"),
        (PerElementScale, "dim=0", "dim=0 is not positive"),
        (PerElementScale, "vector=f dim=4", "dim=4, but the vector has 3 elements"),
        (FixedScale, "scales=m", "not a vector with elements"),
    ],
)
def test_bad_sizes_are_refused(cls, text, message):
    files = {"f": np.ones(3), "m": np.ones((3, 1))}
    with pytest.raises(ValueError, match=message):
        make(cls, text, files.__getitem__)


def test_info_reads_as_kaldi_prints_it():
    assert ", ".join(make(PerElementOffset, "dim=6 block-dim=2 max-change=0.3").info()) == (
        "learning-rate=0.001, max-change=0.3, offsets-min=0, offsets-max=0, block-dim=2, "
        "use-natural-gradient=true, offsets-{mean,stddev}=0,0"
    )
    assert ", ".join(make(NaturalGradientPerElementScale, "dim=3").info()) == (
        "learning-rate=0.001, scales-min=1, scales-max=1, scales-{mean,stddev}=1,0, rank=8, "
        "update-period=10, num-samples-history=2000, alpha=4"
    )
    assert ", ".join(make(ScaleAndOffset, "dim=6 block-dim=3").info()) == (
        "learning-rate=0.001, rank=20, block-size=3, scales-{mean,stddev}=1,0, offsets-{mean,stddev}=0,0"
    )
    assert make(FixedScale, "dim=2 scale=3").info() == ["scales-{mean,stddev}=3,0"]
    assert make(FixedBias, "bias=f", lambda path: np.ones(2)).info() == ["bias-{mean,stddev}=1,0"]

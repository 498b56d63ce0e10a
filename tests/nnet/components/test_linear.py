"""Affine and linear components."""

import numpy as np
import pytest

from nnet import tree
from nnet.component import Io
from nnet.components.linear import Affine, FixedAffine, Linear, NaturalGradientAffine
from nnet.config_line import ConfigLine
from nnet.natural_gradient import OnlineNaturalGradient
from tests.checks import gradient_check

T, N, IN, OUT = 6, 5, 7, 4
DIMS = f"input-dim={IN} output-dim={OUT}"
TRAINED = (Affine, NaturalGradientAffine, Linear)
ALL = (*TRAINED, FixedAffine)


def make(cls, text=DIMS, load_matrix=None, seed=0):
    line = ConfigLine(f"component {text}", load_matrix=load_matrix)
    c = cls.configure(line, np.random.default_rng(seed))
    line.finish()
    return c


def io():
    return Io(t_in=tuple(range(T)), t_out=tuple(range(T)), n=N)


def sample(rng, dim):
    return rng.standard_normal((T, N, dim)).astype(np.float32)


def gradient_of(c, x, dy, learning_rate=1.0, **fields):
    """delta after one update of c."""
    delta = tree.zeros_like({"c": c})["c"]
    delta.learning_rate = learning_rate
    for name, value in fields.items():
        setattr(delta, name, value)
    c.update(delta, dy, x, None, None, io())
    return delta


@pytest.mark.parametrize("cls", ALL)
def test_gradients_match_differences(rng, cls):
    gradient_check(make(cls), sample(rng, IN), io(), rng)


@pytest.mark.parametrize("cls", ALL)
def test_forward_is_the_affine_map(rng, cls):
    c, x = make(cls), sample(rng, IN)
    y, memo = c.forward(x, io())
    expected = np.einsum("tni,oi->tno", x, c.W) + getattr(c, "b", 0)
    assert y.shape == (T, N, OUT) and y.dtype == np.float32 and memo is None
    np.testing.assert_allclose(y, expected, atol=1e-5)


@pytest.mark.parametrize("cls", ALL)
def test_dims_are_those_of_the_matrix(cls):
    c = make(cls)
    assert (c.input_dim, c.output_dim) == (IN, OUT)


@pytest.mark.parametrize("cls", TRAINED)
def test_drawn_weights_have_the_configured_spread(cls):
    c = make(cls, "input-dim=400 output-dim=300")
    assert c.W.dtype == np.float32 and c.W.std() == pytest.approx(1 / 20, rel=0.05)
    assert make(cls, "input-dim=40 output-dim=30 param-stddev=0").W.any() == np.False_


def test_bias_has_configured_mean_and_spread():
    b = make(NaturalGradientAffine, "input-dim=2 output-dim=4000 bias-mean=3 bias-stddev=0.5").b
    assert b.mean() == pytest.approx(3, abs=0.05) and b.std() == pytest.approx(0.5, rel=0.05)


def test_plain_affine_has_no_bias_mean():
    with pytest.raises(ValueError, match="bias-mean"):
        make(Affine, DIMS + " bias-mean=1")


@pytest.mark.parametrize(
    ("dims", "ranks"),
    [
        ("input-dim=7 output-dim=4", (4, 2)),
        ("input-dim=100 output-dim=500", (20, 80)),
        (DIMS + " rank-in=3 rank-out=1", (3, 1)),
    ],
)
@pytest.mark.parametrize("cls", [NaturalGradientAffine, Linear])
def test_default_ranks_are_half_the_dims_within_limits(cls, dims, ranks):
    c = make(cls, dims)
    assert (c.rank_in, c.rank_out) == ranks


@pytest.mark.parametrize("cls", [Affine, NaturalGradientAffine, FixedAffine])
def test_last_column_of_a_matrix_file_is_the_bias(cls):
    M = np.arange(12.0).reshape(3, 4)
    c = make(cls, "matrix=m", lambda path: M)
    assert np.array_equal(c.W, M[:, :3]) and np.array_equal(c.b, M[:, 3])


def test_linear_takes_the_whole_matrix_file():
    M = np.arange(12.0).reshape(3, 4)
    assert np.array_equal(make(Linear, "matrix=m output-dim=3", lambda path: M).W, M)


@pytest.mark.parametrize("cls", TRAINED)
def test_matrix_file_of_other_dims_is_refused(cls):
    with pytest.raises(ValueError, match="output-dim=5, but the matrix has 3"):
        make(cls, "matrix=m output-dim=5", lambda path: np.ones((3, 4)))


def test_matrix_file_without_bias_column_is_refused():
    with pytest.raises(ValueError, match="no column for the bias"):
        make(FixedAffine, "matrix=m", lambda path: np.ones((3, 1)))


@pytest.mark.parametrize("cls", ALL)
def test_dims_must_be_positive(cls):
    with pytest.raises(ValueError, match="output-dim=0 is not positive"):
        make(cls, "input-dim=3 output-dim=0")


@pytest.mark.parametrize("cls", TRAINED)
def test_negative_learning_rate_is_refused(cls):
    with pytest.raises(ValueError, match=r"learning-rate=-1\.0 is negative"):
        make(cls, DIMS + " learning-rate=-1")


@pytest.mark.parametrize("cls", TRAINED)
def test_plain_gradient_is_the_sum_over_frames(rng, cls):
    c, x, dy = make(cls), sample(rng, IN), sample(rng, OUT)
    delta = gradient_of(c, x, dy, 0.1, is_gradient=True)
    np.testing.assert_allclose(delta.W, 0.1 * np.einsum("tno,tni->oi", dy, x), atol=1e-5)


def preconditioned(rows, rank):
    x_hat, scale = OnlineNaturalGradient(rank, 4.0, 4, 2000.0).precondition(rows)
    return scale * x_hat


def test_natural_gradient_takes_rows_with_a_one_and_output_derivatives(rng):
    c, x, dy = make(NaturalGradientAffine), sample(rng, IN), sample(rng, OUT)
    delta = gradient_of(c, x, dy, 0.1)
    rows = np.concatenate([x.reshape(-1, IN), np.ones((T * N, 1), np.float32)], axis=1)
    expected = 0.1 * preconditioned(dy.reshape(-1, OUT), c.rank_out).T @ preconditioned(rows, c.rank_in)
    np.testing.assert_allclose(delta.W, expected[:, :-1], atol=1e-4)
    np.testing.assert_allclose(delta.b, expected[:, -1], atol=1e-4)


@pytest.mark.parametrize("option", ["true", "false"])
def test_linear_uses_natural_gradient_whatever_the_option_says(rng, option):
    c = make(Linear, f"{DIMS} use-natural-gradient={option}")
    x, dy = sample(rng, IN), sample(rng, OUT)
    expected = preconditioned(dy.reshape(-1, OUT), c.rank_out).T @ preconditioned(
        x.reshape(-1, IN), c.rank_in
    )
    np.testing.assert_allclose(gradient_of(c, x, dy).W, expected, atol=1e-4)


@pytest.mark.parametrize(("frames", "dim_in", "dim_out"), [(2, 60, 50), (40, 9, 50), (40, 50, 9), (60, 9, 8)])
def test_rows_and_product_may_be_projected_alike(rng, frames, dim_in, dim_out):
    """Few rows are preconditioned themselves, many through the product; the result is the same."""
    c = make(Linear, f"input-dim={dim_in} output-dim={dim_out}")
    x, dy = rng.standard_normal((frames, 1, dim_in)), rng.standard_normal((frames, 1, dim_out))
    expected = preconditioned(dy[:, 0], c.rank_out).T @ preconditioned(x[:, 0], c.rank_in)
    delta = tree.astype(tree.zeros_like({"c": c})["c"], np.float64)
    delta.learning_rate = 1.0
    c.update(delta, dy, x, None, None, io())
    np.testing.assert_allclose(delta.W, expected, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize("cls", [NaturalGradientAffine, Linear])
def test_frozen_preconditioners_do_not_learn(rng, cls):
    c = make(cls)
    delta = gradient_of(c, sample(rng, IN), sample(rng, OUT))
    before = [(ng.W.copy(), ng.rho) for ng in (delta.scratch["in"], delta.scratch["out"])]
    delta.scratch["frozen"] = True
    c.update(delta, sample(rng, OUT), sample(rng, IN), None, None, io())
    after = [(ng.W, ng.rho) for ng in (delta.scratch["in"], delta.scratch["out"])]
    assert all(np.array_equal(a[0], b[0]) and a[1] == b[1] for a, b in zip(before, after))


@pytest.mark.parametrize("cls", TRAINED)
def test_learning_rate_zero_changes_nothing(rng, cls):
    c = make(cls)
    delta = gradient_of(c, sample(rng, IN), sample(rng, OUT), 0.0)
    assert not delta.W.any() and not delta.scratch


def test_info_reads_as_kaldi_prints_it():
    c = make(Linear, "input-dim=3 output-dim=2 max-change=1.5 orthonormal-constraint=-1 l2-regularize=0.03")
    c.W = np.array([[3, 0, 0], [0, 4, 0.001]], np.float32)
    assert ", ".join(c.info()) == (
        "learning-rate=0.001, l2-regularize=0.03, max-change=1.5, params-rms=2.041, "
        "params-row-norms=[ 3.0 4.0 ], params-col-norms=[ 3.0 4.0 0.001 ], orthonormal-constraint=-1, "
        "use-natural-gradient=true, rank-in=2, rank-out=1, num-samples-history=2000, update-period=4, alpha=4"
    )


def test_info_of_affine_types_shows_weights_and_bias():
    for cls in (Affine, NaturalGradientAffine, FixedAffine):
        text = ", ".join(make(cls).info())
        assert "linear-params-rms=" in text and "bias-{mean,stddev}=" in text

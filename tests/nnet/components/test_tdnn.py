"""The time-delay component on even, strided and uneven frames."""

import numpy as np
import pytest

from nnet import tree
from nnet.component import Io
from nnet.components.tdnn import Tdnn
from nnet.config_line import ConfigLine
from nnet.natural_gradient import OnlineNaturalGradient
from tests.checks import gradient_check

N, IN, OUT = 3, 5, 4
DIMS = f"input-dim={IN} output-dim={OUT}"

OFFSETS = ["0", "2", "-1,0,1", "-3,0,3", "0,-2", "1,5"]
FRAMES = [tuple(range(5)), (0, 3, 6, 9), (0, 1, 3, 4), (7,)]  # even, strided, uneven (index arrays), single


def make(text, seed=0):
    line = ConfigLine(f"component {text}")
    c = Tdnn.configure(line, np.random.default_rng(seed))
    line.finish()
    return c


def layer(offsets="-1,0,1", more=""):
    return make(f"{DIMS} time-offsets={offsets} {more}")


def io_for(c, t_out):
    return Io(t_in=tuple(sorted({t + o for t in t_out for o in c.time_offsets})), t_out=t_out, n=N)


def sample(rng, frames, dim):
    return rng.standard_normal((len(frames), N, dim)).astype(np.float32)


def spliced(c, x, io):
    """Rows [x[t + o_1] x[t + o_2] ...], one per (t, n)."""
    at = {t: i for i, t in enumerate(io.t_in)}
    rows = [np.concatenate([x[at[t + o]] for o in c.time_offsets], axis=1) for t in io.t_out]
    return np.concatenate(rows)


@pytest.mark.parametrize("bias", ["true", "false"])
@pytest.mark.parametrize("frames", FRAMES)
@pytest.mark.parametrize("offsets", OFFSETS)
def test_gradients_match_differences(rng, offsets, frames, bias):
    c = layer(offsets, f"use-bias={bias}")
    io = io_for(c, frames)
    gradient_check(c, sample(rng, io.t_in, IN), io, rng)


@pytest.mark.parametrize("frames", FRAMES)
@pytest.mark.parametrize("offsets", OFFSETS)
def test_forward_is_affine_in_spliced_rows(rng, offsets, frames):
    c = layer(offsets)
    io = io_for(c, frames)
    x = sample(rng, io.t_in, IN)
    y, _ = c.forward(x, io)
    assert y.shape == (len(frames), N, OUT) and y.dtype == np.float32
    np.testing.assert_allclose(y.reshape(-1, OUT), spliced(c, x, io) @ c.W.T + c.b, atol=1e-5)


def test_frames_that_nothing_reads_get_no_derivative(rng):
    c = layer("0,1")
    io = Io(t_in=tuple(range(6)), t_out=(2,), n=N)
    dx = c.backward(sample(rng, io.t_out, OUT), sample(rng, io.t_in, IN), None, None, io)
    assert [t for t in io.t_in if dx[t].any()] == [2, 3]


def test_missing_frame_is_named(rng):
    c = layer("0,3")
    io = Io(t_in=(0, 1, 2), t_out=(0,), n=N)
    with pytest.raises(KeyError, match="3"):
        c.forward(sample(rng, io.t_in, IN), io)


def test_output_frame_reads_its_offsets():
    c = layer("-3,0,3")
    assert c.reads(10) == [7, 10, 13]
    assert c.uses(10, {7, 10, 13}.__contains__) == [7, 10, 13] and c.uses(10, {7, 10}.__contains__) is None


def change(c, x, dy, io, calls=1, **fields):
    delta = tree.zeros_like({"c": c})["c"]
    delta.learning_rate = 0.5
    for name, value in fields.items():
        setattr(delta, name, value)
    for _ in range(calls):
        c.update(delta, dy, x, None, None, io)
    return delta


def zeros_between(x, have, want):
    out = np.zeros((len(want), *x.shape[1:]), x.dtype)
    out[[want.index(t) for t in have]] = x
    return out


@pytest.mark.parametrize("bias", ["true", "false"])
@pytest.mark.parametrize("frames", [tuple(range(12)), (0, 1, 3, 4), (0,)])
def test_natural_gradient_takes_spliced_rows_and_a_one_only_with_bias(rng, frames, bias):
    c = layer(
        "-1,0,1", f"use-bias={bias} rank-in=3 rank-out=2 alpha-in=2 alpha-out=1 num-samples-history=300"
    )
    io = io_for(c, frames)
    x, dy = sample(rng, io.t_in, IN), sample(rng, io.t_out, OUT)
    even = io_for(c, tuple(range(frames[0], frames[-1] + 1)))  # as Kaldi pads it
    x_even, dy_even = zeros_between(x, io.t_in, even.t_in), zeros_between(dy, io.t_out, even.t_out)
    rows = spliced(c, x_even, even)
    if bias == "true":
        rows = np.concatenate([rows, np.ones((len(rows), 1), np.float32)], axis=1)
    x_hat, s = OnlineNaturalGradient(3, 2.0, 4, 300.0).precondition(rows)
    dy_hat, r = OnlineNaturalGradient(2, 1.0, 4, 300.0).precondition(dy_even.reshape(-1, OUT))
    expected = 0.5 * s * r * dy_hat.T @ x_hat
    delta = change(c, x, dy, io)
    np.testing.assert_allclose(delta.W, expected[:, : 3 * IN], atol=2e-4)
    if bias == "true":
        np.testing.assert_allclose(delta.b, expected[:, -1], atol=2e-4)


@pytest.mark.parametrize(
    ("more", "fields"), [("use-natural-gradient=false", {}), ("", {"is_gradient": True})]
)
def test_plain_update_is_the_sum_over_frames(rng, more, fields):
    c = layer("-1,0,1", more)
    io = io_for(c, tuple(range(8)))
    x, dy = sample(rng, io.t_in, IN), sample(rng, io.t_out, OUT)
    delta = change(c, x, dy, io, calls=2, **fields)
    np.testing.assert_allclose(delta.W, dy.reshape(-1, OUT).T @ spliced(c, x, io), atol=1e-4)
    np.testing.assert_allclose(delta.b, dy.sum(axis=(0, 1)), atol=1e-4)
    assert not delta.scratch


def test_preconditioners_have_fixed_period_and_own_settings(rng):
    c = layer("0,1", "rank-in=3 rank-out=2 alpha-in=2 alpha-out=1")
    io = io_for(c, tuple(range(8)))
    delta = change(c, sample(rng, io.t_in, IN), sample(rng, io.t_out, OUT), io)
    inner, outer = delta.scratch["in"], delta.scratch["out"]
    assert (inner.rank, inner.alpha, inner.update_period) == (3, 2.0, 4)
    assert (outer.rank, outer.alpha, outer.update_period) == (2, 1.0, 4)


@pytest.mark.parametrize(
    ("text", "ranks"),
    [
        (f"{DIMS} time-offsets=-1,0,1", (8, 2)),
        ("input-dim=40 output-dim=200 time-offsets=0,1", (20, 80)),
        (f"{DIMS} time-offsets=0 rank-in=2 rank-out=1", (2, 1)),
    ],
)
def test_default_ranks_follow_the_spliced_dims(text, ranks):
    c = make(text)
    assert (c.rank_in, c.rank_out) == ranks


def test_weights_are_drawn_for_the_spliced_dim():
    c = make("input-dim=100 output-dim=200 time-offsets=-1,0,1,2 bias-mean=2 bias-stddev=0")
    assert c.W.shape == (200, 400) and c.W.std() == pytest.approx(0.05, rel=0.05) and (c.b == 2).all()
    assert (c.input_dim, c.output_dim) == (100, 200)


@pytest.mark.parametrize("param_stddev", ["", "param-stddev=-1"])
def test_negative_param_stddev_means_the_default(param_stddev):
    c = make(f"input-dim=100 output-dim=100 time-offsets=0 {param_stddev}")
    assert c.W.std() == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("offsets", ["0,1,0", ""])
def test_repeated_or_no_offsets_are_refused(offsets):
    with pytest.raises(ValueError, match="must be different integers"):
        layer(offsets)


def test_info_reads_as_kaldi_prints_it():
    text = ", ".join(layer("-1,0", "use-bias=false orthonormal-constraint=-1 learning-rate=0.01").info())
    assert text.startswith(
        "learning-rate=0.01, orthonormal-constraint=-1, time-offsets=-1,0, linear-params-rms="
    )
    assert text.endswith(
        "has-bias=false, rank-in=5, rank-out=2, num-samples-history=2000, update-period=4, "
        "alpha-in=4, alpha-out=4"
    )
    assert ", ".join(layer("0", "use-natural-gradient=false").info()).endswith("use-natural-gradient=false")

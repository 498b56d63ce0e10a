"""Convolution over time and height against sums written out, and its gradients against differences."""

import numpy as np
import pytest

from nnet import tree
from nnet.component import Io
from nnet.components.convolution import TimeHeightConvolution
from nnet.config_line import ConfigLine
from nnet.natural_gradient import OnlineNaturalGradient
from tests.checks import gradient_check

N = 2
PLAIN = "height-in=5 height-out=5 height-offsets=-1,0,1 time-offsets=-1,0,1"
MODELS = {
    "padded": PLAIN,
    "not padded": "height-in=6 height-out=4 height-offsets=0,1,2 time-offsets=0",
    "halved": "height-in=6 height-out=3 height-subsample-out=2 height-offsets=-1,0,1 time-offsets=-1,0,1",
    "thirds": "height-in=8 height-out=3 height-subsample-out=3 height-offsets=-2,-1,0,1 time-offsets=-1,0",
    "large steps": "height-in=9 height-out=3 height-subsample-out=3 height-offsets=0,1 time-offsets=0,2",
    "one by one": "height-in=4 height-out=4 height-offsets=0 time-offsets=0",
    "time strides": "height-in=4 height-out=4 height-offsets=-1,0 time-offsets=-3,0,3",
    "not all required": f"{PLAIN} required-time-offsets=0",
    "no rectangle": "height-in=6 height-out=4 offsets=3,1;-1,2;-1,0;0,-1;0,0;0,1 required-time-offsets=-1,0",
    "far apart": "height-in=7 height-out=7 height-subsample-out=1 height-offsets=-3,0,3 time-offsets=0",
}
FRAMES = [(0, 1, 2, 3), (0, 2, 4), (0, 1, 3, 4), (5,), ()]  # even, strided, uneven, single, none


def layer(text, filters_in=3, filters_out=4, seed=0):
    line = ConfigLine(f"component num-filters-in={filters_in} num-filters-out={filters_out} {text}", "a:1")
    c = TimeHeightConvolution.configure(line, np.random.default_rng(seed))
    line.finish()
    return c


def io_for(c, t_out, given=None):
    """The frames that c uses for t_out out of `given` (None: all)."""
    used = [c.uses(t, lambda f: given is None or f in given) for t in t_out]
    assert None not in used
    return Io(t_in=tuple(sorted({f for frames in used for f in frames})), t_out=t_out, n=N)


def sample(rng, c, io):
    return rng.standard_normal((len(io.t_in), N, c.input_dim)).astype(np.float32)


def written_out(c, x, io):
    """The definition, one product for each output frame, height and offset."""
    x = x.reshape(len(io.t_in), N, c.height_in, c.num_filters_in).astype(np.float64)
    y = np.tile(c.b.astype(np.float64), (len(io.t_out), N, c.height_out, 1))
    for i, t in enumerate(io.t_out):
        for j in range(c.height_out):
            for k, (time, height) in enumerate(c.offsets):
                h = j * c.height_subsample_out + height
                if 0 <= h < c.height_in and t + time in io.t_in:
                    W = c.W[:, k * c.num_filters_in : (k + 1) * c.num_filters_in]
                    y[i, :, j] += x[io.t_in.index(t + time), :, h] @ W.T
    return y.reshape(len(io.t_out), N, c.output_dim)


@pytest.mark.parametrize("frames", FRAMES)
@pytest.mark.parametrize("model", MODELS)
def test_forward_is_the_sum_over_offsets(rng, model, frames):
    c = layer(MODELS[model] + " bias-stddev=1")
    io = io_for(c, frames)
    x = sample(rng, c, io)
    y, _ = c.forward(x, io)
    assert y.dtype == np.float32 and y.shape == (len(frames), N, c.output_dim)
    np.testing.assert_allclose(y, written_out(c, x, io), atol=1e-5)


@pytest.mark.parametrize("frames", FRAMES)
@pytest.mark.parametrize("model", MODELS)
def test_gradients_match_differences(rng, model, frames):
    c = layer(MODELS[model] + " bias-stddev=1")
    io = io_for(c, frames)
    gradient_check(c, sample(rng, c, io), io, rng)


@pytest.mark.parametrize("given", [range(5), range(1, 4), (0, 1, 3, 4)])
def test_missing_frames_count_as_zero(rng, given):
    c = layer(f"{PLAIN} required-time-offsets=0")
    io = io_for(c, (1, 3), given)
    x = sample(rng, c, io)
    np.testing.assert_allclose(c.forward(x, io)[0], written_out(c, x, io), atol=1e-5)
    gradient_check(c, x, io, rng)


def test_frames_that_nothing_reads_get_no_derivative(rng):
    c = layer(MODELS["padded"])
    io = Io(t_in=tuple(range(8)), t_out=(2,), n=N)
    dx = c.backward(np.ones((1, N, c.output_dim)), np.ones((8, N, c.input_dim)), None, None, io)
    assert [t for t in io.t_in if dx[t].any()] == [1, 2, 3]


def test_only_required_frames_are_needed():
    c = layer(f"{PLAIN} required-time-offsets=0")
    assert c.reads(5) == [4, 5, 6]
    assert c.uses(5, lambda f: f != 4) == [5, 6]
    assert c.uses(5, lambda f: f == 4) is None


def test_all_frames_are_required_by_default():
    assert layer(PLAIN).uses(5, lambda f: f != 4) is None


def test_unit_layer_copies(rng):
    c = layer(f"{PLAIN} init-unit=true", 3, 3)
    io = io_for(c, (0, 1))
    x = sample(rng, c, io)
    np.testing.assert_array_equal(c.forward(x, io)[0], x[1:3])


def test_update_preconditions_the_gradient_by_rows_then_columns(rng):
    c = layer(f"{PLAIN} rank-in=2 rank-out=3 alpha-out=2 num-minibatches-history=3")
    c.learning_rate = 0.5
    delta = tree.zeros_like({"c": c})["c"]
    rows = OnlineNaturalGradient(2, 4.0, 1, num_minibatches_history=3.0)
    columns = OnlineNaturalGradient(3, 2.0, 1, num_minibatches_history=3.0)
    wanted = 0.0
    for _ in range(3):
        io = io_for(c, (0, 1, 2))
        x = sample(rng, c, io)
        dy = rng.standard_normal((3, N, c.output_dim)).astype(np.float32)
        c.update(delta, dy, x, None, None, io)
        G, s = rows.precondition(c.gradient(dy, x, io))
        H, r = columns.precondition(G.T.copy())
        wanted = wanted + 0.5 * s * r * H.T
    np.testing.assert_allclose(np.hstack([delta.W, delta.b[:, None]]), wanted, atol=1e-5)


def test_frozen_preconditioners_stand_still(rng):
    c = layer(PLAIN)
    io = io_for(c, (0, 1))
    delta = tree.zeros_like({"c": c})["c"]
    x, dy = sample(rng, c, io), np.ones((2, N, c.output_dim), np.float32)
    c.update(delta, dy, x, None, None, io)
    before = delta.scratch["in"].W.copy(), delta.scratch["out"].W.copy()
    delta.scratch["frozen"] = True
    c.update(delta, dy, 2 * x, None, None, io)
    np.testing.assert_array_equal(delta.scratch["in"].W, before[0])
    np.testing.assert_array_equal(delta.scratch["out"].W, before[1])


def test_plain_update_without_natural_gradient(rng):
    c = layer(f"{PLAIN} use-natural-gradient=false")
    io = io_for(c, (0, 1))
    x, dy = sample(rng, c, io), np.ones((2, N, c.output_dim), np.float32)
    delta = tree.zeros_like({"c": c})["c"]
    c.update(delta, dy, x, None, None, io)
    np.testing.assert_allclose(delta.W, 0.001 * c.gradient(dy, x, io)[:, :-1], rtol=1e-5)
    assert not delta.scratch


def test_learning_rate_zero_changes_nothing(rng):
    c = layer(f"{PLAIN} learning-rate=0")
    io = io_for(c, (0,))
    delta = tree.zeros_like({"c": c})["c"]
    c.update(delta, np.ones((1, N, c.output_dim)), sample(rng, c, io), None, None, io)
    assert not delta.W.any() and not delta.scratch


def test_defaults_follow_the_sizes():
    c = layer(PLAIN, 3, 200)
    assert (c.rank_in, c.rank_out, c.num_minibatches_history) == (14, 80, 4.0)
    assert abs(c.W.std() * 27**0.5 - 1) < 0.05 and not c.b.any()


@pytest.mark.parametrize(
    "text, message",
    [
        ("height-in=4 height-out=4 time-offsets=0 height-offsets=1,0", "must be different and rising"),
        (f"{PLAIN} required-time-offsets=2", r"\(2,\) are not all among the time offsets \(-1, 0, 1\)"),
        (f"{PLAIN} required-time-offsets=1,0", "different and rising, at least one"),
        (f"{PLAIN} height-subsample-out=0", "height-subsample-out=0 is not positive"),
        (f"{PLAIN} height-subsample-out=3", "output height 2 sees no input"),
        ("height-in=2 height-out=2 offsets=0,0;0,5", "time 0 and height 5 always lies outside"),
        ("height-in=2 height-out=2 offsets=0,0;0", "offsets=0,0;0 is not of the form"),
        ("height-in=2 height-out=2 offsets=0,x", "offsets=0,x is not of the form"),
        (f"{PLAIN} init-unit=true", "num-filters-in=3 and num-filters-out=4 to be equal"),
        ("height-in=2 height-out=2", "needs height-offsets"),
    ],
)
def test_senseless_models_are_refused(text, message):
    with pytest.raises(ValueError, match=f"a:1: .*{message}"):
        layer(text)


def test_weights_of_the_wrong_size_are_refused():
    c = layer(PLAIN)
    fields = {k: v for k, v in vars(c).items() if not k.startswith("_")}
    with pytest.raises(ValueError, match=r"W has shape \(4, 26\); filters and offsets ask for \(4, 27\)"):
        TimeHeightConvolution(**{**fields, "W": c.W[:, 1:]})


def test_info_is_in_kaldis_words():
    text = layer(f"{PLAIN} required-time-offsets=-1,0 rank-in=5").describe()
    assert text.startswith(
        "TimeHeightConvolutionComponent, input-dim=15, output-dim=20, learning-rate=0.001 num-filters-in=3, "
        "num-filters-out=4, height-in=5, height-out=5, height-subsample-out=1, "
        "{time,height}-offsets=[-1,-1 -1,0 -1,1 0,-1 0,0 0,1 1,-1 1,0 1,1], required-time-offsets=[-1,0], "
        "input-dim=15, output-dim=20, filter-params-rms="
    )
    assert text.endswith(
        "num-params=112, max-memory-mb=200, use-natural-gradient=1, num-minibatches-history=4, rank-in=5, "
        "rank-out=2, alpha=4"
    )

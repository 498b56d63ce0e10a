import numpy as np
import pytest

from nnet.component import Io
from nnet.components.attention import RestrictedAttention
from nnet.config_line import ConfigLine
from tests.checks import gradient_check

N = 3
BASE = "key-dim=2 value-dim=3 num-left-inputs=2 num-right-inputs=1"


def make(text=""):
    line = ConfigLine(f"component name=c type=RestrictedAttentionComponent {text}")
    line.str("name"), line.str("type")
    c = RestrictedAttention.configure(line, np.random.default_rng(0))
    line.finish()
    return c


def io(t_in, t_out, seed=0):
    return Io(t_in=tuple(t_in), t_out=tuple(t_out), n=N, seed=(seed,))


def data(t, dim):
    return np.random.default_rng(1).standard_normal((t, N, dim)).astype(np.float32)


def plain(c, x, t_in, t_out):
    """The definition, frame by frame and head by head, in double."""
    x = x.astype(float)
    K, V, size = c.key_dim, c.value_dim, x.shape[-1] // c.num_heads
    where = {t: i for i, t in enumerate(t_in)}
    y = []
    for t in t_out:
        for n in range(N):
            for h in range(c.num_heads):
                part = {
                    f: x[where[f], n, h * size : (h + 1) * size] if f in where else np.zeros(size)
                    for f in [t, *c.reads(t)]
                }
                query, bias = part[t][K + V : 2 * K + V], part[t][2 * K + V :]
                score = np.array([c.key_scale * query @ part[f][:K] for f in c.reads(t)]) + bias
                p = np.exp(score) / np.exp(score).sum()
                value = sum(w * part[f][K : K + V] for w, f in zip(p, c.reads(t)))
                y.append(np.concatenate([value, p]) if c.output_context else value)
    return np.reshape(y, (len(t_out), N, -1))


CASES = [
    (BASE, range(-2, 5), range(4)),
    (f"{BASE} num-heads=2 time-stride=3", range(-6, 16, 3), range(0, 13, 3)),
    (f"{BASE} output-context=false key-scale=0.3", range(-2, 5), range(4)),
    (f"{BASE} num-left-inputs-required=0 num-right-inputs-required=0", range(4), range(4)),
    (f"{BASE} num-heads=2 num-left-inputs-required=1", (0, 1, 2, 5, 6, 7), (1, 6)),
]


@pytest.mark.parametrize(("text", "t_in", "t_out"), CASES)
def test_forward_follows_the_definition(text, t_in, t_out):
    c = make(text)
    x = data(len(t_in), c.input_dim)
    y, _ = c.forward(x, io(t_in, t_out))
    assert y.dtype == np.float32 and y.shape[-1] == c.output_dim
    np.testing.assert_allclose(y, plain(c, x, t_in, t_out), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("text", "t_in", "t_out"), CASES)
def test_backward_matches_numeric_gradient(text, t_in, t_out):
    c = make(text)
    gradient_check(c, data(len(t_in), c.input_dim), io(t_in, t_out), np.random.default_rng(2))


@pytest.mark.parametrize(("text", "t_in", "t_out"), CASES)
def test_single_precision_stays_and_arguments_are_unchanged(text, t_in, t_out):
    c, at = make(text), io(t_in, t_out)
    x = data(len(t_in), c.input_dim)
    y, memo = c.forward(x, at)
    dy, kept = np.ones_like(y), memo.copy()
    dx = c.backward(dy, x, y, memo, at)
    c.store_stats(x, y, memo, at)
    assert dx.dtype == np.float32 and np.array_equal(x, data(len(t_in), c.input_dim))
    assert np.array_equal(dy, np.ones_like(dy)) and np.array_equal(memo, kept)


def test_only_required_frames_must_be_available():
    c = make(f"{BASE} time-stride=2 num-left-inputs-required=1 num-right-inputs-required=0")
    assert c.reads(10) == [6, 8, 10, 12]
    assert c.uses(10, lambda t: t >= 8) == [8, 10, 12]
    assert c.uses(10, lambda t: t <= 10) == [6, 8, 10]
    assert c.uses(10, lambda t: t >= 9) is None


def test_all_inputs_are_required_by_default():
    c = make(BASE)
    assert (c.num_left_inputs_required, c.num_right_inputs_required) == (2, 1)
    assert c.uses(0, lambda t: t > -2) is None and c.uses(0, lambda t: True) == [-2, -1, 0, 1]


def test_statistics_are_stored_on_two_thirds_of_minibatches():
    c, at = make(f"{BASE} num-heads=2"), io(range(-2, 5), range(4))
    x = data(7, c.input_dim)
    y, memo = c.forward(x, at)
    for seed in range(300):
        c.store_stats(x, y, memo, io(at.t_in, at.t_out, seed))
    stored = c.stats_count / (4 * N)
    assert 170 <= stored <= 230
    p = memo.reshape(-1, 2, 4).astype(float)
    assert c.posterior_stats.dtype == c.entropy_stats.dtype == np.float64
    np.testing.assert_allclose(c.posterior_stats, stored * p.sum(0), rtol=1e-5)
    np.testing.assert_allclose(c.entropy_stats, -stored * (p * np.log(p)).sum((0, 2)), rtol=1e-5)


def test_a_minibatch_that_is_skipped_leaves_zeros():
    c, at = make(BASE), io(range(-2, 5), range(4))
    x = data(7, c.input_dim)
    y, memo = c.forward(x, at)
    seed = next(s for s in range(100) if not Io((), (), 1, (s,)).happens(2 / 3))
    c.store_stats(x, y, memo, io(at.t_in, at.t_out, seed))
    assert c.stats_count == 0 and c.posterior_stats.tolist() == [[0.0] * 4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("key-dim=2 value-dim=3 num-left-inputs=2", "needs num-right-inputs"),
        ("key-dim=2 value-dim=3 num-left-inputs=0 num-right-inputs=0", "nor both 0"),
        (f"{BASE} num-left-inputs-required=3", r"2 left, 1 right"),
        (f"{BASE} key-scale=0", "key-scale=0.0"),
        (f"{BASE} num-heads=0", "num-heads=0"),
    ],
)
def test_bad_configs_are_refused_by_name(text, message):
    with pytest.raises(ValueError, match=message):
        make(text)


def test_info_shows_settings_and_statistics():
    c = make(f"{BASE} num-heads=2 key-scale=0.5")
    settings = (
        "input-dim=22, output-dim=14, num-heads=2, time-stride=1, key-dim=2, value-dim=3, num-left-inputs=2, "
        "num-right-inputs=1, context-dim=4, num-left-inputs-required=2, num-right-inputs-required=1, "
        "output-context=true, key-scale=0.5"
    )
    assert ", ".join(c.info_dims() + c.info()) == settings
    c.stats_count, c.entropy_stats = 4.0, np.array([4.0, 2.0])
    c.posterior_stats = np.array([[1.0, 1.0, 1.0, 1.0], [2.0, 2.0, 0.0, 0.0]])
    assert c.info()[-4:] == [
        "entropy=1,0.5",
        "posterior-stats[0]=0.25,0.25,0.25,0.25",
        "posterior-stats[1]=0.5,0.5,0,0",
        "stats-count=4",
    ]

import numpy as np
import pytest

from nnet import tree
from nnet.component import Io
from nnet.components.gru import GruNonlinearity, OutputGruNonlinearity
from nnet.config_line import ConfigLine
from tests.checks import gradient_check

T, N, C = 3, 4, 5


STORE = 0  # the first minibatch
REST = next(s for s in range(100) if not Io((), (), 1, (s,)).happens(1 / 2))
CELLS = [
    (GruNonlinearity, "cell-dim=5"),
    (GruNonlinearity, "cell-dim=5 recurrent-dim=3"),
    (OutputGruNonlinearity, "cell-dim=5"),
]


def make(cls, text):
    line = ConfigLine(f"component name=c type={cls.TYPE} {text}")
    line.str("name"), line.str("type")
    c = cls.configure(line, np.random.default_rng(0))
    line.finish()
    return c


def io(seed=STORE):
    return Io(t_in=tuple(range(T)), t_out=tuple(range(T)), n=N, seed=(seed,))


def data(dim, dtype=np.float32):
    return np.random.default_rng(1).standard_normal((T, N, dim)).astype(dtype)


def plain(c, x):
    """(h, c) by the equations, in double."""
    x = x.astype(float)
    if isinstance(c, OutputGruNonlinearity):
        z, h_part, c_prev = np.split(x, 3, axis=-1)
        h = np.tanh(h_part + c_prev * c.w)
    else:
        R = c.recurrent_dim
        z, r, h_part, c_prev, _ = np.split(x, [C, C + R, 2 * C + R, 3 * C + R], axis=-1)
        h = np.tanh(h_part + (r * x[..., -R:]) @ c.W.T)
    return np.concatenate([h, (1 - z) * h + z * c_prev], axis=-1)


def updated(c, seed=STORE, dy=None, **settings):
    """A delta after one update."""
    delta = tree.zeros_like({"c": c})["c"]
    for name, value in {"learning_rate": 1.0, **settings}.items():
        setattr(delta, name, value)
    x = data(c.input_dim)
    y, memo = c.forward(x, io())
    c.update(delta, np.ones_like(y) if dy is None else dy, x, y, memo, io(seed))
    return delta


@pytest.mark.parametrize(("cls", "text"), CELLS)
@pytest.mark.parametrize("size", [0.5, 2.0])
def test_backward_and_update_match_numeric_gradients(cls, text, size):
    c = make(cls, f"{text} self-repair-scale=0")
    gradient_check(c, size * data(c.input_dim), io(), np.random.default_rng(2))


@pytest.mark.parametrize(("cls", "text"), CELLS)
def test_forward_computes_the_equations(cls, text):
    c = make(cls, text)
    x = data(c.input_dim)
    np.testing.assert_allclose(c.forward(x, io())[0], plain(c, x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("cls", "text"), CELLS)
def test_single_precision_stays_and_arguments_are_unchanged(cls, text):
    c = make(cls, text)
    x = data(c.input_dim)
    y, memo = c.forward(x, io())
    dy = np.ones_like(y)
    dx = c.backward(dy, x, y, memo, io())
    assert (y.dtype, dx.dtype, dx.shape) == (np.float32, np.float32, x.shape)
    assert np.array_equal(x, data(c.input_dim)) and np.array_equal(dy, np.ones_like(dy))
    delta = updated(c, dy=dy)
    assert next(iter(tree.params(delta).values())).dtype == np.float32 and np.array_equal(
        dy, np.ones_like(dy)
    )


@pytest.mark.parametrize(("cls", "text"), CELLS)
def test_statistics_of_h_are_stored_in_the_delta_on_half_of_the_minibatches(cls, text):
    c = make(cls, text)
    h = plain(c, data(c.input_dim))[..., :C].reshape(-1, C)
    delta = updated(c)
    assert delta.count == T * N and c.count == 0
    np.testing.assert_allclose(delta.value_sum, h.sum(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(delta.deriv_sum, (1 - h * h).sum(0), rtol=1e-4)
    assert delta.self_repair_total == ((1 - h * h).mean(0) < 0.2).sum()
    assert updated(c, seed=REST).count == 0


@pytest.mark.parametrize(("cls", "text"), CELLS)
def test_self_repair_acts_on_the_parameters_at_twice_the_scale(cls, text):
    c = make(cls, f"{text} self-repair-scale=0.01 self-repair-threshold=1")  # all units count as saturated
    zero = np.zeros((T, N, 2 * C), np.float32)
    delta = updated(c, dy=zero, is_gradient=True)
    x = data(c.input_dim).astype(float)
    da = (-0.02 * plain(c, x)[..., :C]).reshape(-1, C)
    if cls is OutputGruNonlinearity:
        expected, got = (da * x[..., 2 * C :].reshape(-1, C)).sum(0), delta.w
    else:
        R = c.recurrent_dim
        s = (x[..., C : C + R] * x[..., -R:]).reshape(-1, R)
        expected, got = da.T @ s, delta.W
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)
    rested = updated(c, seed=REST, dy=zero, is_gradient=True)
    assert not next(iter(tree.params(rested).values())).any()


@pytest.mark.parametrize(("cls", "text"), CELLS)
def test_natural_gradient_differs_from_the_plain_one(cls, text):
    c = make(cls, f"{text} self-repair-scale=0")
    natural, plain_one = (next(iter(tree.params(updated(c, is_gradient=g)).values())) for g in (False, True))
    assert np.isfinite(natural).all() and not np.allclose(natural, plain_one)


@pytest.mark.parametrize(
    ("cls", "text", "message"),
    [
        (GruNonlinearity, "", "needs cell-dim"),
        (GruNonlinearity, "cell-dim=5 recurrent-dim=6", r"recurrent-dim=6 is not in \[1, cell-dim=5\]"),
        (GruNonlinearity, "cell-dim=5 self-repair-scale=-1", "self-repair-scale=-1.0 is negative"),
        (GruNonlinearity, "cell-dim=5 param-mean=1", "no option param-mean"),
        (OutputGruNonlinearity, "cell-dim=5 recurrent-dim=3", "no option recurrent-dim"),
    ],
)
def test_bad_configs_are_refused_by_name(cls, text, message):
    with pytest.raises(ValueError, match=message):
        make(cls, text)


def test_parameters_have_the_configured_spread():
    assert make(GruNonlinearity, "cell-dim=100").W.std() == pytest.approx(0.1, rel=0.05)
    w = make(OutputGruNonlinearity, "cell-dim=2000 param-mean=3 param-stddev=0.5").w
    assert (w.mean(), w.std()) == (pytest.approx(3, rel=0.05), pytest.approx(0.5, rel=0.05))


def test_info_names_settings_and_statistics():
    c = make(GruNonlinearity, "cell-dim=5 recurrent-dim=3 max-change=0.75")
    c.W = np.full((5, 3), 0.5, np.float32)
    assert c.info_dims() == ["input-dim=21", "output-dim=10"]
    head = ["learning-rate=0.001", "max-change=0.75", "cell-dim=5", "recurrent-dim=3", "w_h-rms=0.5"]
    tail = ["alpha=4", "rank-in=20", "rank-out=80", "update-period=4"]
    repair = ["self-repair-threshold=0.2", "self-repair-scale=1e-05"]
    assert c.info() == head + repair + tail
    c.count, c.self_repair_total, c.value_sum, c.deriv_sum = 840.0, 42.0, np.full(5, 420.0), np.full(5, 210.0)
    assert c.info() == [
        *head,
        *repair,
        "count=840",
        "self-repaired-proportion=0.01",
        "value-avg=[ 0.50 0.50 0.50 0.50 0.50 ]",
        "deriv-avg=[ 0.25 0.25 0.25 0.25 0.25 ]",
        *tail,
    ]
    assert make(OutputGruNonlinearity, "cell-dim=5").info()[-2:] == ["rank=8", "update-period=10"]

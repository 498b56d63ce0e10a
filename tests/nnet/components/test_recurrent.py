import numpy as np
import pytest

from nnet import tree
from nnet.component import Io
from nnet.components.recurrent import LstmNonlinearity
from nnet.config_line import ConfigLine
from tests.checks import gradient_check

T, N, C = 3, 4, 5
IO = Io(t_in=tuple(range(T)), t_out=tuple(range(T)), n=N)


def make(cls, text):
    line = ConfigLine(f"component name=c type={cls.TYPE} {text}")
    line.str("name"), line.str("type")
    c = cls.configure(line, np.random.default_rng(0))
    line.finish()
    return c


def lstm(text=""):
    return make(LstmNonlinearity, f"cell-dim={C} {text}")


def data(dim, dtype=np.float32):
    return np.random.default_rng(1).standard_normal((T, N, dim)).astype(dtype)


def with_masks(x):
    masks = np.random.default_rng(2).choice([0.0, 1.0, 2.0], (T, N, 3))
    return np.concatenate([x, masks.astype(x.dtype)], axis=-1)


class MaskedLstm(LstmNonlinearity):
    """The cell as a function of its first 5 C inputs, the masks being fixed."""

    def forward(self, x, io):
        return super().forward(with_masks(x), io)

    def backward(self, dy, x, y, memo, io, delta=None):
        return super().backward(dy, with_masks(x), y, memo, io, delta)[..., : 5 * C]

    def update(self, delta, dy, x, y, memo, io):
        super().update(delta, dy, with_masks(x), y, memo, io)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def plain_lstm(x, W, masks=(1.0, 1.0, 1.0)):
    i, f, g, o, c_prev = np.split(x[..., : 5 * C], 5, axis=-1)
    i, f, g = sigmoid(i + W[0] * c_prev), sigmoid(f + W[1] * c_prev), np.tanh(g)
    c = f * masks[1] * c_prev + i * masks[0] * g
    o = sigmoid(o + W[2] * c)
    return (i, f, g, o, np.tanh(c)), np.concatenate([c, o * masks[2] * np.tanh(c)], axis=-1)


@pytest.mark.parametrize("size", [0.5, 3.0])
def test_lstm_backward_and_update_match_numeric_gradients(size):
    gradient_check(lstm("self-repair-scale=0"), size * data(5 * C), IO, np.random.default_rng(2))


def test_lstm_with_masks_matches_numeric_gradients():
    c = make(MaskedLstm, f"cell-dim={C} use-dropout=true self-repair-scale=0")
    gradient_check(c, data(5 * C), IO, np.random.default_rng(2))


def test_lstm_computes_the_equations():
    c, x = lstm(), data(5 * C)
    np.testing.assert_allclose(c.forward(x, IO)[0], plain_lstm(x.astype(float), c.W)[1], rtol=1e-5, atol=1e-6)


def test_lstm_masks_scale_the_gates():
    c, x = lstm("use-dropout=true"), with_masks(data(5 * C))
    assert c.input_dim == 5 * C + 3
    masks = [x[..., 5 * C + k, None].astype(float) for k in range(3)]
    expected = plain_lstm(x.astype(float), c.W, masks)[1]
    np.testing.assert_allclose(c.forward(x, IO)[0], expected, rtol=1e-5, atol=1e-6)


def test_lstm_masks_get_no_derivative():
    c, x = lstm("use-dropout=true"), with_masks(data(5 * C))
    y, memo = c.forward(x, IO)
    dx = c.backward(np.ones_like(y), x, y, memo, IO)
    assert dx.shape == x.shape and not dx[..., 5 * C :].any()


def updated(c, x, dy=None, **settings):
    """A delta after one update."""
    delta = tree.zeros_like({"c": c})["c"]
    for name, value in {"learning_rate": 1.0, **settings}.items():
        setattr(delta, name, value)
    y, memo = c.forward(x, IO)
    c.update(delta, np.ones_like(y) if dy is None else dy, x, y, memo, IO)
    return delta


def test_lstm_update_collects_statistics_in_the_delta():
    c, x = lstm(), data(5 * C)
    delta = updated(c, x, is_gradient=True)
    values = [v.reshape(-1, C) for v in plain_lstm(x.astype(float), c.W)[0]]
    slope = [v * (1 - v) if k in (0, 1, 3) else 1 - v * v for k, v in enumerate(values)]
    assert delta.count == T * N and c.count == 0
    np.testing.assert_allclose(delta.value_sum, [v.sum(0) for v in values], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(delta.deriv_sum, [s.sum(0) for s in slope], rtol=1e-4, atol=1e-5)
    assert (
        delta.self_repair_total.tolist() == [T * N * C] * 5
    )  # with no statistics all units count as saturated


def test_lstm_repair_pulls_saturated_units_towards_zero():
    c, x = lstm("self-repair-scale=0.01"), data(5 * C)
    c.count, c.deriv_sum = 9.0, np.full((5, C), 10.0)
    c.deriv_sum[:, 0] = 0.1  # the first cell saturates everywhere
    y, memo = c.forward(x, IO)
    zero = np.zeros_like(y)
    dx = c.backward(zero, x, y, memo, IO, tree.zeros_like({"c": c})["c"]).reshape(T, N, 5, C)
    i, _, g, o, h = plain_lstm(x.astype(float), c.W)[0]
    assert not dx[..., 1:].any()
    do = -0.01 * (2 * o - 1)
    dc = do * c.W[2] - 0.01 * h
    np.testing.assert_allclose(dx[:, :, 3, 0], do[..., 0], rtol=1e-4, atol=1e-7)
    di = dc * g * i * (1 - i) - 0.01 * (2 * i - 1)
    np.testing.assert_allclose(dx[:, :, 0, 0], di[..., 0], rtol=1e-4, atol=1e-7)
    dg = dc * i * (1 - g * g) - 0.01 * g
    np.testing.assert_allclose(dx[:, :, 2, 0], dg[..., 0], rtol=1e-4, atol=1e-7)
    assert not c.backward(zero, x, y, memo, IO).any()


def test_lstm_natural_gradient_keeps_the_size_of_the_first_step_and_can_be_frozen():
    c, x = lstm("self-repair-scale=0"), data(5 * C)
    plain, natural = updated(c, x, is_gradient=True), updated(c, x)
    np.testing.assert_allclose(np.linalg.norm(natural.W), np.linalg.norm(plain.W), rtol=1e-3)
    learned = natural.scratch["peepholes"]
    before = learned.W.copy()
    updated(c, x, scratch={"peepholes": learned, "frozen": True})
    assert np.array_equal(learned.W, before)
    updated(c, x, scratch={"peepholes": learned})
    assert not np.array_equal(learned.W, before)


def test_lstm_keeps_single_precision_and_its_arguments():
    c, x = lstm(), data(5 * C)
    y, memo = c.forward(x, IO)
    dy = np.ones_like(y)
    dx = c.backward(dy, x, y, memo, IO, tree.zeros_like({"c": c})["c"])
    delta = updated(c, x, dy)
    assert (y.dtype, dx.dtype, delta.W.dtype) == (np.float32,) * 3
    assert np.array_equal(x, data(5 * C)) and np.array_equal(dy, np.ones_like(dy))


def test_lstm_draws_peepholes_of_the_given_size():
    assert make(LstmNonlinearity, "cell-dim=1000 param-stddev=0.5").W.std() == pytest.approx(0.5, rel=0.05)


def test_lstm_info_shows_every_nonlinearity():
    c = lstm()
    parts = ", ".join(c.info())
    assert c.info_dims() == ["input-dim=25", "output-dim=10"]
    assert "cell-dim=5, use-dropout=false, w_ic-rms=" in parts
    assert "c_t_tanh={ self-repair-lower-threshold=0.2, self-repair-scale=1e-05 }" in parts
    tree.add(c, updated(c, data(5 * C)))
    assert "count=12, i_t_sigmoid={ self-repair-lower-threshold=0.05, self-repair-scale=1e-05, " in ", ".join(
        c.info()
    )
    assert "self-repaired-proportion=1, value-avg=[ " in ", ".join(c.info())


@pytest.mark.parametrize(
    ("cls", "text", "message"),
    [
        (LstmNonlinearity, "", "needs cell-dim"),
        (LstmNonlinearity, "cell-dim=5 self-repair-scale=1", r"self-repair-scale=1.0 is not in \[0, 0.1\]"),
        (
            LstmNonlinearity,
            "cell-dim=5 sigmoid-self-repair-threshold=0.3",
            "sigmoid-self-repair-threshold=0.3",
        ),
    ],
)
def test_bad_configs_are_refused_by_name(cls, text, message):
    with pytest.raises(ValueError, match=message):
        make(cls, text)

import numpy as np
import pytest

from nnet.component import Io
from nnet.components.pooling import StatisticsExtraction, StatisticsPooling
from nnet.config_line import ConfigLine
from tests.checks import gradient_check

N = 3


def make(cls, text):
    line = ConfigLine(f"component name=c type={cls.TYPE} {text}")
    line.str("name"), line.str("type")
    c = cls.configure(line, np.random.default_rng(0))
    line.finish()
    return c


def io(t_in, t_out):
    return Io(t_in=tuple(t_in), t_out=tuple(t_out), n=N)


def data(t, dim, dtype=np.float32):
    return np.random.default_rng(1).standard_normal((t, N, dim)).astype(dtype)


class CountsFixed(StatisticsPooling):
    """Pooling as a function of the sums, the counts (which get no derivative) being those given."""

    def forward(self, x, io):
        x = x.copy()
        x[..., 0] = 1 + np.arange(len(x))[:, None]
        if self.output_stddevs:  # sums of squares that give positive variances
            x[..., 1 + self.dim_in // 2 :] = 50 + x[..., 1 + self.dim_in // 2 :]
        return super().forward(x, io)


@pytest.mark.parametrize("variance", ["true", "false"])
@pytest.mark.parametrize(
    ("periods", "t_in", "t_out"),
    [
        ("", range(4), range(4)),
        ("input-period=2 output-period=6", range(-6, 6, 2), (-6, 0)),
        ("output-period=4", (1, 2, 3, 4, 5, 6, 7, 8), (0, 4, 8)),
    ],
)
def test_extraction_backward_matches_numeric_gradient(variance, periods, t_in, t_out):
    c = make(StatisticsExtraction, f"input-dim=5 include-variance={variance} {periods}")
    gradient_check(c, data(len(t_in), 5), io(t_in, t_out), np.random.default_rng(2))


@pytest.mark.parametrize(
    "text",
    ["", "num-log-count-features=2", "output-stddevs=true", "output-stddevs=true num-log-count-features=1"],
)
@pytest.mark.parametrize(("t_in", "t_out"), [(range(0, 12, 2), (6,)), (range(-4, 12, 2), (0, 2, 6))])
def test_pooling_backward_matches_numeric_gradient(text, t_in, t_out):
    c = make(CountsFixed, f"input-dim=7 input-period=2 left-context=4 right-context=6 {text}")
    gradient_check(c, data(len(t_in), 7), io(t_in, t_out), np.random.default_rng(2))


def test_extraction_sums_the_frames_that_are_there():
    c = make(StatisticsExtraction, "input-dim=1 output-period=4")
    x = np.arange(1.0, 9.0, dtype=np.float32).reshape(8, 1, 1)  # frames 1 ... 8
    y, _ = c.forward(x, Io(tuple(range(1, 9)), (0, 4, 8), 1))
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y[:, 0], [[3, 6, 14], [4, 22, 126], [1, 8, 64]])


def test_extraction_without_variance_has_no_squares():
    c = make(StatisticsExtraction, "input-dim=1 output-period=2 include-variance=false")
    y, _ = c.forward(np.array([[[1.0]], [[2.0]]]), Io((0, 1), (0,), 1))
    assert c.output_dim == 2 and y.tolist() == [[[2.0, 3.0]]]


def test_extraction_accepts_output_frames_inside_their_periods():
    c = make(StatisticsExtraction, "input-dim=1 output-period=2 include-variance=false")
    y, _ = c.forward(np.arange(4.0).reshape(4, 1, 1), Io((0, 1, 2, 3), (1, 3), 1))
    assert y[:, 0].tolist() == [[2, 1], [2, 5]]


def test_extraction_refuses_two_output_frames_of_one_period():
    c = make(StatisticsExtraction, "input-dim=1 output-period=4")
    with pytest.raises(ValueError, match="not one for each period of 4"):
        c.forward(np.zeros((4, 1, 1)), Io((0, 1, 2, 3), (0, 2), 1))


def test_extraction_reads_its_period():
    c = make(StatisticsExtraction, "input-dim=1 input-period=2 output-period=6")
    assert c.reads(7) == [6, 8, 10] and c.reads(-1) == [-6, -4, -2]
    assert c.uses(7, lambda t: t > 7) == [8, 10] and c.uses(7, lambda t: False) is None


def test_pooling_reads_its_window():
    c = make(StatisticsPooling, "input-dim=3 input-period=3 left-context=3 right-context=6")
    assert c.reads(6) == [3, 6, 9, 12]
    assert c.uses(6, lambda t: t < 8) == [3, 6] and c.uses(6, lambda t: False) is None
    assert c.uses(7, lambda t: True) is None


def test_extraction_and_pooling_give_mean_and_stddev_of_a_window():
    frames, dim = range(20), 4
    x = data(20, dim)
    extract = make(StatisticsExtraction, f"input-dim={dim} output-period=2")
    sums, _ = extract.forward(x, io(frames, range(0, 20, 2)))
    pool = make(
        StatisticsPooling,
        f"input-dim={sums.shape[-1]} input-period=2 left-context=4 right-context=4 "
        "num-log-count-features=1 output-stddevs=true",
    )
    y, _ = pool.forward(sums, io(range(0, 20, 2), (0, 8, 18)))
    for row, window in zip(y, (x[:6], x[4:14], x[14:])):
        expected = [np.full((N, 1), np.log(len(window))), window.mean(0), window.std(0)]
        np.testing.assert_allclose(row, np.concatenate(expected, axis=-1), rtol=1e-4, atol=1e-5)
    assert y.dtype == np.float32 and y.shape[-1] == pool.output_dim


def test_pooling_floors_the_variance():
    c = make(
        StatisticsPooling,
        "input-dim=3 left-context=0 right-context=1 output-stddevs=true variance-floor=0.25",
    )
    y, memo = c.forward(np.array([[[2.0, 6.0, 18.0]]]), Io((0,), (0,), 1))  # twice the value 3
    assert y.tolist() == [[[3.0, 0.5]]] and memo.tolist() == [[[2.0]]]


@pytest.mark.parametrize("cls", [StatisticsExtraction, StatisticsPooling])
def test_single_precision_stays_and_arguments_are_unchanged(cls):
    c = make(cls, "input-dim=5 " + ("left-context=1 right-context=1" if cls is StatisticsPooling else ""))
    x = np.abs(data(4, 5))
    kept, at = x.copy(), io(range(4), range(4))
    y, memo = c.forward(x, at)
    dy = np.ones_like(y)
    dx = c.backward(dy, x, y, memo, at)
    assert (y.dtype, dx.dtype, dx.shape) == (np.float32, np.float32, x.shape)
    assert np.array_equal(x, kept) and np.array_equal(dy, np.ones_like(dy))


@pytest.mark.parametrize(
    ("cls", "text", "message"),
    [
        (StatisticsExtraction, "input-dim=5 input-period=2 output-period=3", "output-period=3"),
        (StatisticsExtraction, "", "needs input-dim"),
        (StatisticsPooling, "input-dim=5 left-context=1", "needs right-context"),
        (StatisticsPooling, "input-dim=5 left-context=0 right-context=0", "not both 0"),
        (StatisticsPooling, "input-dim=5 left-context=3 right-context=4 input-period=2", "left-context=3"),
        (
            StatisticsPooling,
            "input-dim=4 left-context=1 right-context=1 output-stddevs=true",
            "odd input-dim, not 4",
        ),
        (
            StatisticsPooling,
            "input-dim=5 left-context=1 right-context=1 variance-floor=0",
            "variance-floor=0",
        ),
    ],
)
def test_bad_configs_are_refused_by_name(cls, text, message):
    with pytest.raises(ValueError, match=message):
        make(cls, text)

from dataclasses import replace

import numpy as np
import pytest

from nnet.component import Io
from nnet.components.dropout import Dropout, DropoutMask, GeneralDropout, SpecAugmentTimeMask
from nnet.config_line import ConfigLine
from tests.checks import gradient_check

T, N, D = 6, 5, 8


class Same(Io):
    """Draws the same numbers at every call, so that a function of x can be differentiated numerically."""

    @property
    def rng(self):
        return np.random.default_rng(self.seed)


def make(cls, text):
    line = ConfigLine(f"component name=c type={cls.TYPE} {text}")
    line.str("name"), line.str("type")
    c = cls.configure(line, np.random.default_rng(0))
    line.finish()
    return c


def io(seed=0, frames=range(T), n=N, kind=Io):
    return kind(t_in=tuple(frames), t_out=tuple(frames), n=n, seed=(seed,))


def ones(t=T, n=N, dim=D):
    return np.ones((t, n, dim), np.float32)


MASKED = [
    (Dropout, "dim=8 dropout-proportion=0.3"),
    (Dropout, "dim=8 dropout-proportion=0.5 dropout-per-frame=true"),
    (GeneralDropout, "dim=8 dropout-proportion=0.3"),
    (GeneralDropout, "dim=8 block-dim=2 time-period=4"),
    (GeneralDropout, "dim=8 dropout-proportion=0.2 continuous=true"),
    (GeneralDropout, "dim=8 block-dim=4 specaugment-max-proportion=0.5 specaugment-max-regions=2"),
    (SpecAugmentTimeMask, "dim=8 zeroed-proportion=0.4 time-mask-max-frames=3"),
]


@pytest.mark.parametrize(("cls", "text"), MASKED)
def test_backward_matches_numeric_gradient(cls, text):
    x = np.random.default_rng(1).standard_normal((T, N, D))
    gradient_check(make(cls, text), x, io(kind=Same), np.random.default_rng(2))


@pytest.mark.parametrize(("cls", "text"), MASKED)
def test_same_seed_gives_the_same_mask_and_another_seed_another(cls, text):
    c, x = make(cls, text), ones(T, 20)
    first, again, other = (c.forward(x, io(seed, n=20))[0] for seed in (3, 3, 4))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize(("cls", "text"), MASKED)
def test_single_precision_stays_and_arguments_are_unchanged(cls, text):
    c, x, dy = make(cls, text), ones(), ones()
    y, memo = c.forward(x, io())
    dx = c.backward(dy, x, y, memo, io())
    assert (y.dtype, dx.dtype) == (np.float32, np.float32)
    assert np.array_equal(x, ones()) and np.array_equal(dy, ones())
    assert np.array_equal(dx, y)


@pytest.mark.parametrize(("cls", "text"), MASKED)
def test_test_mode_needs_no_random_numbers(cls, text):
    c = replace(make(cls, text), test_mode=True)
    y, memo = c.forward(ones(), io(0))
    factor = 1 - c.dropout_proportion if cls is Dropout else 1.0
    np.testing.assert_allclose(y, factor, rtol=1e-6)
    np.testing.assert_allclose(c.backward(ones(), ones(), y, memo, io(0)), factor, rtol=1e-6)


@pytest.mark.parametrize(
    ("cls", "text"),
    [
        (Dropout, "dim=8 dropout-proportion=0"),
        (GeneralDropout, "dim=8 dropout-proportion=0"),
        (SpecAugmentTimeMask, "dim=8 zeroed-proportion=0"),
    ],
)
def test_proportion_zero_copies_without_drawing(cls, text):
    c, at = make(cls, text), io()
    y, memo = c.forward(ones(), at)
    dx = c.backward(ones(), ones(), y, memo, at)
    assert np.array_equal(y, ones()) and np.array_equal(dx, ones()) and "rng" not in vars(at)


@pytest.mark.parametrize("proportion", [0.1, 0.5, 0.9])
def test_dropout_zeroes_its_proportion_and_does_not_rescale(proportion):
    y, _ = make(Dropout, f"dim=100 dropout-proportion={proportion}").forward(
        ones(50, 20, 100), io(0, range(50), 20)
    )
    assert set(np.unique(y)) == {0.0, 1.0}
    assert abs(y.mean() - (1 - proportion)) < 4 * 0.5 / 100000**0.5


def test_dropout_of_everything_leaves_nothing():
    y, _ = make(Dropout, "dim=8 dropout-proportion=1").forward(ones(), io())
    assert not y.any()


def test_dropout_per_frame_treats_rows_alike():
    y, _ = make(Dropout, "dim=8 dropout-proportion=0.5 dropout-per-frame=true").forward(
        ones(40, 50), io(0, range(40), 50)
    )
    assert (y == y[..., :1]).all()
    assert abs(y.mean() - 0.5) < 0.05


@pytest.mark.parametrize("proportion", [0.1, 0.5])
def test_general_dropout_keeps_the_mean_and_shares_the_mask_over_frames(proportion):
    n = 500
    y, _ = make(GeneralDropout, f"dim=40 dropout-proportion={proportion}").forward(
        ones(3, n, 40), io(0, range(3), n)
    )
    assert (y == y[:1]).all()
    np.testing.assert_allclose(np.unique(y), [0, 1 / (1 - proportion)], rtol=1e-6)
    assert abs(y.mean() - 1) < 0.03


def test_general_dropout_that_is_continuous_is_uniform_around_one():
    n = 500
    y, _ = make(GeneralDropout, "dim=40 dropout-proportion=0.2 continuous=true").forward(
        ones(1, n, 40), io(0, range(1), n)
    )
    assert 0.6 <= y.min() < 0.62 and 1.38 < y.max() <= 1.4
    assert abs(y.mean() - 1) < 0.01 and abs(y.std() - 0.8 / 12**0.5) < 0.01


def test_general_dropout_in_periods_changes_its_mask_where_t_passes_a_multiple():
    frames = (-3, -1, 0, 1, 3, 4)
    y, _ = make(GeneralDropout, "dim=64 time-period=4").forward(ones(6, 1, 64), io(0, frames, 1))
    same = [np.array_equal(y[i], y[i + 1]) for i in range(5)]
    assert same == [True, False, True, True, False]


def test_general_dropout_repeats_the_mask_in_each_block():
    y, _ = make(GeneralDropout, "dim=8 block-dim=4").forward(ones(), io())
    assert np.array_equal(y[..., :4], y[..., 4:])


def test_general_dropout_of_everything_leaves_nothing():
    y, _ = make(GeneralDropout, "dim=8 dropout-proportion=1").forward(ones(), io())
    assert not y.any()


def test_specaugment_zeroes_one_band_of_up_to_the_proportion():
    n = 2000
    y, _ = make(GeneralDropout, "dim=20 specaugment-max-proportion=0.5").forward(
        ones(1, n, 20), io(0, range(1), n)
    )
    assert set(np.unique(y)) == {0.0, 1.0}
    widths = 20 - y[0].sum(-1)
    edges = (np.diff(np.concatenate([y[0], y[0][:, :1]], axis=1), axis=1) != 0).sum(1)
    assert set(edges) == {0, 2}
    assert set(widths) == set(range(11)) and abs(widths.mean() - 5) < 0.3


def test_specaugment_regions_split_the_band_and_keep_its_width():
    n = 2000
    y, _ = make(GeneralDropout, "dim=20 specaugment-max-proportion=0.5 specaugment-max-regions=3").forward(
        ones(1, n, 20), io(0, range(1), n)
    )
    widths = 20 - y[0].sum(-1)
    edges = (np.diff(np.concatenate([y[0], y[0][:, :1]], axis=1), axis=1) != 0).sum(1)
    assert edges.max() > 2
    assert set(widths) == set(range(11)) and abs(widths.mean() - 5) < 0.3


def test_time_mask_zeroes_whole_frames_in_short_stretches():
    t, n, longest = 400, 50, 5
    c = make(SpecAugmentTimeMask, f"dim=3 zeroed-proportion=0.25 time-mask-max-frames={longest}")
    y, _ = c.forward(ones(t, n, 3), io(0, range(t), n))
    assert (y == y[..., :1]).all() and not np.array_equal(y[:, 0], y[:, 1])
    assert abs((1 - y).mean() - 3 / (3 + 8)) < 0.02  # stretches of 1..5 zeroed, 1..15 kept: means 3 and 8
    zeroed = "".join("0" if v == 0 else "1" for v in y[:, 0, 0])
    assert max(len(run) for run in zeroed.split("1")) <= longest
    assert max(len(run) for run in zeroed.split("0")) <= c.longest_kept() == 15


@pytest.mark.parametrize("dim", [1, 2, 3, 5])
def test_dropout_mask_has_its_proportion_in_every_column(dim):
    c = make(DropoutMask, f"output-dim={dim} dropout-proportion=0.3")
    y, memo = c.forward(np.zeros((0, 200, dim), np.float32), io(0, range(50), 200))
    assert y.shape == (50, 200, dim) and y.dtype == np.float32 and memo is None
    assert set(np.unique(y)) == {0.0, 1.0}
    np.testing.assert_allclose(y.mean((0, 1)), 0.7, atol=0.02)


@pytest.mark.parametrize("dim", [2, 3])
def test_dropout_mask_never_drops_input_and_forget_gates_together(dim):
    y, _ = make(DropoutMask, f"output-dim={dim} dropout-proportion=0.5").forward(
        np.zeros((0, 200, dim)), io(0, range(50), 200)
    )
    assert (y[..., 0] + y[..., 1] >= 1).all()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("dropout-proportion=0", 1.0),
        ("dropout-proportion=0 test-mode=true", 1.0),
        ("dropout-proportion=0.2 test-mode=true", 0.8),
        ("dropout-proportion=0.2 test-mode=true continuous=true", 1.0),
    ],
)
def test_dropout_mask_without_randomness_is_constant(settings, expected):
    y, _ = make(DropoutMask, f"output-dim=3 {settings}").forward(np.zeros((0, N, 3), np.float32), io())
    np.testing.assert_allclose(y, expected, rtol=1e-6)


def test_dropout_mask_that_is_continuous_is_uniform_around_one():
    y, _ = make(DropoutMask, "output-dim=3 dropout-proportion=0.2 continuous=true").forward(
        np.zeros((0, 200, 3)), io(0, range(50), 200)
    )
    assert 0.6 <= y.min() < 0.62 and 1.38 < y.max() <= 1.4 and abs(y.mean() - 1) < 0.01


def test_dropout_mask_reads_nothing():
    c = make(DropoutMask, "output-dim=3")
    x = np.zeros((0, N, 3), np.float32)
    assert c.reads(7) == [] and c.uses(7, lambda t: False) == []
    assert c.input_dim == c.output_dim == 3
    assert c.backward(ones(T, N, 3), x, ones(T, N, 3), None, io()).shape == x.shape


@pytest.mark.parametrize(
    ("cls", "text", "message"),
    [
        (Dropout, "dim=8", "needs dropout-proportion"),
        (Dropout, "dim=8 dropout-proportion=1.5", r"dropout-proportion=1.5 is not in \[0, 1\]"),
        (Dropout, "dim=0 dropout-proportion=0.5", "dim=0 is not positive"),
        (GeneralDropout, "dim=8 block-dim=3", "not a positive multiple"),
        (GeneralDropout, "dim=8 specaugment-max-proportion=0.5 continuous=true", "continuous=false"),
        (
            GeneralDropout,
            "dim=8 specaugment-max-proportion=0.5 specaugment-max-regions=0",
            "specaugment-max-regions",
        ),
        (SpecAugmentTimeMask, "dim=8 time-mask-max-frames=1", "time-mask-max-frames=1"),
        (SpecAugmentTimeMask, "dim=8 zeroed-proportion=0.99", "zeroed-proportion=0.99"),
        (DropoutMask, "dropout-proportion=0.1", "needs output-dim"),
    ],
)
def test_bad_configs_are_refused_by_name(cls, text, message):
    with pytest.raises(ValueError, match=message):
        make(cls, text)


@pytest.mark.parametrize(
    ("cls", "text", "expected"),
    [
        (Dropout, "dim=8 dropout-proportion=0.25", "dim=8, dropout-proportion=0.25, dropout-per-frame=false"),
        (GeneralDropout, "dim=8", "dim=8, block-dim=8, dropout-proportion=0.5"),
        (
            GeneralDropout,
            "dim=8 continuous=true time-period=3",
            "dim=8, block-dim=8, dropout-proportion=0.5, continuous=true, time-period=3",
        ),
        (
            GeneralDropout,
            "dim=8 specaugment-max-proportion=0.2",
            "dim=8, block-dim=8, dropout-proportion=0.5, "
            "specaugment-max-proportion=0.2, specaugment-max-regions=1",
        ),
        (SpecAugmentTimeMask, "dim=8", "dim=8, zeroed-proportion=0.25, time-mask-max-frames=10"),
        (
            DropoutMask,
            "output-dim=3 continuous=true",
            "output-dim=3, dropout-proportion=0.5, continuous=true",
        ),
    ],
)
def test_info_names_the_settings(cls, text, expected):
    c = make(cls, text)
    assert ", ".join(c.info_dims() + c.info()) == expected

"""Allowed lengths, and recordings brought to them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from steps.chain.e2e.lengths import LengthOptions, allowed_lengths, extended, resampled, versions

RATE = 8000


@pytest.mark.parametrize(("seconds", "frames"), [(0.024, 0), (0.025, 1), (0.035, 2), (0.0449, 2), (1.0, 98)])
def test_frames_are_those_that_fit(seconds: float, frames: int) -> None:
    assert LengthOptions().frames(seconds) == frames
    assert LengthOptions().frames(LengthOptions().seconds(frames + 1)) == frames + 1


def test_lengths_cover_the_data_in_even_steps() -> None:
    durations = np.linspace(0.5, 2.0, 200).tolist()
    lengths = allowed_lengths(durations, LengthOptions(factor=10.0))
    assert all(n % 3 == 0 for n in lengths)
    assert LengthOptions().seconds(lengths[0]) <= 0.52
    assert LengthOptions().seconds(lengths[-1]) >= 2.0 / 1.1
    assert max(b / a for a, b in pairwise(lengths)) < 1.16


def test_what_is_rare_need_not_be_covered() -> None:
    durations = [1.0] * 1000 + [30.0]
    assert max(allowed_lengths(durations, LengthOptions(coverage=5.0))) < 150
    assert max(allowed_lengths(durations, LengthOptions(coverage=0.0))) > 1000


def test_lengths_that_do_not_work_are_refused() -> None:
    with pytest.raises(ValueError, match="must lie apart"):
        LengthOptions(factor=0.0)
    with pytest.raises(ValueError, match="no utterance is as long as 9 s"):
        allowed_lengths([1.0], LengthOptions(shortest=9.0))
    with pytest.raises(ValueError, match="no utterances"):
        allowed_lengths([], LengthOptions())


@pytest.mark.parametrize("count", [3600, 4000, 4400])
def test_a_changed_speed_changes_the_pitch_alike(count: int) -> None:
    x = np.sin(0.2 * np.arange(4000)).astype(np.float32)
    y = resampled(x, count)
    assert len(y) == count
    expected = np.sin(0.2 * np.arange(count) * 4000 / count)
    np.testing.assert_allclose(y[200:-200], expected[200:-200], atol=5e-3)


def test_silence_is_as_soft_as_the_softer_end(rng: np.random.Generator) -> None:
    x = np.concatenate([rng.normal(0, 4.0, 400), rng.normal(0, 900.0, 1200)]).astype(np.float32)
    y = extended(x, RATE, 4000, rng)
    assert len(y) == 4000
    np.testing.assert_array_equal(y[1200:2800], x)
    assert 2.0 < y[:1200].std() < 6.0
    assert 2.0 < y[2800:].std() < 6.0


def test_every_version_has_an_allowed_length(rng: np.random.Generator) -> None:
    options, lengths = LengthOptions(), [60, 66, 75]
    x = rng.normal(size=round(0.69 * RATE)).astype(np.float32)  # 67 frames
    found = dict(versions(x, RATE, lengths, options, rng))
    frames = {name: options.frames(len(y) / RATE) for name, y in found.items()}
    assert frames == {"pv1": 66, "pv2": 75, "pv3": 75}
    assert set(dict(versions(x, RATE, [66], options, rng))) == {"pv1"}
    assert not dict(versions(x, RATE, [30, 120], options, rng))

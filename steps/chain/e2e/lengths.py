"""A few allowed lengths for all utterances: each is slowed down, sped up or extended to one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

QUIET = 0.02  # seconds at either end, the quieter of which tells how loud silence is


@dataclass(frozen=True)
class LengthOptions:
    """Options of Kaldi's perturb_speed_to_allowed_lengths.py: lengths are `factor` per cent apart.

    `coverage`: per cent of the data at either end that lengths need not cover. `shortest`: of all lengths, in
    seconds. Frame sizes in ms.
    """

    factor: float = 12.0
    coverage: float = 0.05
    shortest: float = 0.3
    frame_length_ms: float = 25.0
    frame_shift_ms: float = 10.0
    frame_subsampling_factor: int = 3

    def __post_init__(self) -> None:
        if not self.factor > 0:
            raise ValueError(f"lengths must lie apart: {self.factor:g} per cent is not above 0")

    @property
    def ratio(self) -> float:
        """Of one length to the one before."""
        return 1.0 + self.factor / 100.0

    def frames(self, seconds: float) -> int:
        """Frames of so many seconds."""
        return int(max(0.0, (seconds * 1000 - self.frame_length_ms) // self.frame_shift_ms + 1))

    def seconds(self, frames: int) -> float:
        """Seconds that surely have so many frames, half a shift more than they need."""
        return (self.frame_shift_ms * (frames - 0.5) + self.frame_length_ms) / 1000.0


def allowed_lengths(durations: Sequence[float], options: LengthOptions) -> list[int]:
    """Allowed lengths in frames, rising, multiples of the subsampling factor, for utterances of `durations`
    in seconds. Raises ValueError if there are none.
    """
    first, last = _range(durations, options)
    every, lengths, d = options.frame_subsampling_factor, [], max(first, options.shortest)
    while d < last * options.ratio:  # the last one is not below the longest
        frames = options.frames(d) // every * every
        if frames and frames not in lengths:
            lengths.append(frames)
        d = max(options.seconds(frames), d) * options.ratio
    if not lengths:
        raise ValueError(f"no utterance is as long as {options.shortest:g} s, the shortest allowed")
    return lengths


def _range(durations: Sequence[float], options: LengthOptions) -> tuple[float, float]:
    """The durations below and above which lies `coverage` per cent of the data."""
    if not len(durations):
        raise ValueError("no utterances")
    rising = np.sort(np.asarray(durations, np.float64))
    share = 100.0 * rising / rising.sum()
    first = int(np.searchsorted(np.cumsum(share), options.coverage, side="right"))
    last = len(rising) - 1 - int(np.searchsorted(np.cumsum(share[::-1]), options.coverage, side="right"))
    return float(rising[min(first, len(rising) - 1)]), float(rising[max(last, 0)])


def versions(
    samples: np.ndarray, rate: int, lengths: Sequence[int], options: LengthOptions, rng: np.random.Generator
) -> Iterator[tuple[str, np.ndarray]]:
    """(name, samples) of the versions of a recording that have allowed lengths: `pv1` faster or as it is,
    `pv2` slower, `pv3` with silence at its ends. None that is more than a step of lengths away.
    """
    seconds = len(samples) / rate
    targets = [options.seconds(n) for n in lengths]
    below = max((t for t in targets if t <= seconds), default=None)
    above = min((t for t in targets if t > seconds), default=None)
    if below is not None and seconds / below <= options.ratio:
        yield "pv1", resampled(samples, round(below * rate))
    if above is not None and above / seconds <= options.ratio:
        count = round(above * rate)
        yield "pv2", resampled(samples, count)
        yield "pv3", extended(samples, rate, count, rng)


def resampled(samples: np.ndarray, count: int) -> np.ndarray:
    """`samples` as `count` samples of the same sound, faster or slower: its spectrum cut or filled up."""
    size = len(samples)
    pad = max(size // 8, 1)  # against what comes in from the other end
    x = np.pad(samples.astype(np.float64), pad, mode="reflect")
    more = round(pad * count / size)
    y = np.fft.irfft(np.fft.rfft(x), count + 2 * more) * ((count + 2 * more) / len(x))
    return y[more : more + count].astype(np.float32)


def extended(samples: np.ndarray, rate: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """`samples` between two stretches of noise as soft as the quieter of their ends, `count` in all."""
    n = max(1, min(len(samples), round(QUIET * rate)))
    ends = (samples[:n].astype(np.float64), samples[-n:].astype(np.float64))
    loudness = min(float(np.std(e)) for e in ends)
    noise = rng.normal(0.0, loudness, count - len(samples))
    before = len(noise) // 2
    return np.concatenate([noise[:before], samples, noise[before:]]).astype(np.float32)

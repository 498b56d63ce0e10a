"""MFCC features and cepstral mean statistics of a data directory, as Kaldi's make_mfcc and
compute_cmvn_stats write them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnet.files import atomic_write
from nnet.formats.kinds import GENERAL_MATRIX, MATRIX
from nnet.formats.matrix import compress
from nnet.formats.tables import TableWriter
from steps.data_dir import read_map

DELTA_WINDOW = 2  # frames on either side


@dataclass(frozen=True)
class MfccOptions:
    """Kaldi's compute-mfcc-feats options, with the values of its mfcc_hires.conf. Frequencies in Hz,
    lengths in ms.
    """

    num_mel_bins: int = 40
    num_ceps: int = 40
    low_freq: float = 20.0
    high_freq: float = -400.0  # below zero: so much under half the sampling rate
    frame_length_ms: float = 25.0
    frame_shift_ms: float = 10.0
    use_energy: bool = False


def mfcc(samples: np.ndarray, rate: int, options: MfccOptions) -> np.ndarray:
    """(frames, num_ceps) float32 for int16-scaled samples. No dither, so that the same samples give the
    same features.
    """
    import kaldi_native_fbank as knf  # noqa: PLC0415 - an extra

    o = knf.MfccOptions()
    o.frame_opts.samp_freq = rate
    o.frame_opts.dither = 0.0
    o.frame_opts.frame_length_ms = options.frame_length_ms
    o.frame_opts.frame_shift_ms = options.frame_shift_ms
    o.mel_opts.num_bins = options.num_mel_bins
    o.mel_opts.low_freq = options.low_freq
    o.mel_opts.high_freq = options.high_freq
    o.num_ceps = options.num_ceps
    o.use_energy = options.use_energy
    computer = knf.OnlineMfcc(o)
    computer.accept_waveform(rate, samples.astype(np.float32).tolist())
    computer.input_finished()
    if not computer.num_frames_ready:
        return np.zeros((0, options.num_ceps), np.float32)
    return np.stack([computer.get_frame(t) for t in range(computer.num_frames_ready)])


def read_wavs(scp: Path) -> Iterator[tuple[str, np.ndarray, int]]:
    """(utterance, int16 samples, rate in Hz) of every line `utterance file` of a wav.scp.

    Raises ValueError for a line that is no file name (commands are not run) or a recording with several
    channels.
    """
    import soundfile  # noqa: PLC0415 - an extra

    for number, line in enumerate(scp.read_text(encoding="utf-8").splitlines(), 1):
        key, _, name = line.strip().partition(" ")
        if not name or name.endswith("|"):
            raise ValueError(
                f"{scp}, line {number}: expected an utterance and a sound file, found {line[:60]!r}"
            )
        try:
            samples, rate = soundfile.read(name.strip(), dtype="int16")
        except soundfile.LibsndfileError as error:
            raise ValueError(f"{scp}, line {number}: {error}") from None
        if samples.ndim != 1:
            raise ValueError(f"{name}: {samples.shape[1]} channels; one is expected")
        yield key, samples, rate


def make_mfcc(data: Path, options: MfccOptions = MfccOptions()) -> int:
    """Write feats.{ark,scp} (compressed), cmvn.{ark,scp} and utt2num_frames into `data`; returns the frames.

    Raises ValueError naming a recording that is too short for one frame, has another rate than those before,
    or no speaker.
    """
    return write_features(data, _features(data / "wav.scp", options))


def write_features(data: Path, features: Iterable[tuple[str, np.ndarray]]) -> int:
    """The same files from (utterance, features (frames, dim)); `data` has utt2spk. Raises ValueError."""
    speakers = read_map(data / "utt2spk")
    stats: dict[str, np.ndarray] = {}
    lengths = []
    with TableWriter(f"ark,scp:{data}/feats.ark,{data}/feats.scp", GENERAL_MATRIX) as out:
        for key, feats in features:
            if key not in speakers:
                raise ValueError(f"{data / 'utt2spk'} has no speaker for utterance {key}")
            out.write(key, compress(feats))
            lengths.append((key, len(feats)))
            stats[speakers[key]] = stats.get(speakers[key], 0) + cmvn_stats(feats)
    with TableWriter(f"ark,scp:{data}/cmvn.ark,{data}/cmvn.scp", MATRIX) as out:
        for speaker in sorted(stats):
            out.write(speaker, stats[speaker])
    with atomic_write(data / "utt2num_frames", text=True) as stream:
        stream.writelines(f"{key} {n}\n" for key, n in lengths)
    return sum(n for _, n in lengths)


def _features(scp: Path, options: MfccOptions) -> Iterator[tuple[str, np.ndarray]]:
    rates: list[int] = []
    for key, samples, rate in read_wavs(scp):
        rates = rates or [rate]
        if rate != rates[0]:
            raise ValueError(f"{key}: {rate} samples a second, those before have {rates[0]}")
        feats = mfcc(samples, rate, options)
        if not len(feats):
            raise ValueError(f"{key}: {len(samples)} samples are too few for one frame")
        yield key, feats


def cmvn_stats(feats: np.ndarray) -> np.ndarray:
    """Kaldi's statistics (2, dim + 1): sums and count, sums of squares and 0, in float64."""
    x = feats.astype(np.float64)
    stats = np.zeros((2, x.shape[1] + 1))
    stats[0, :-1], stats[1, :-1], stats[0, -1] = x.sum(0), (x * x).sum(0), len(x)
    return stats


def add_deltas(feats: np.ndarray) -> np.ndarray:
    """(frames, 3 dim) float32: features (frames, dim), their first and their second time derivatives.

    Derivatives are regressions over two frames on either side; edge frames are repeated (Kaldi's add-deltas).
    """
    first = np.arange(-DELTA_WINDOW, DELTA_WINDOW + 1) / (
        2.0 * sum(k * k for k in range(1, DELTA_WINDOW + 1))
    )
    parts, scales = [feats.astype(np.float64)], np.ones(1)
    for _ in range(2):
        scales = np.convolve(scales, first)
        reach = len(scales) // 2
        frames = np.clip(np.arange(len(feats))[:, None] + np.arange(-reach, reach + 1), 0, len(feats) - 1)
        parts.append(np.einsum("tkd,k->td", parts[0][frames], scales))
    return np.concatenate(parts, axis=1).astype(np.float32)

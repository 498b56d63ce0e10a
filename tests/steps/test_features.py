"""MFCC against Kaldi's numbers, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnet.formats.kinds import MATRIX
from nnet.formats.tables import read_table
from steps.features import MfccOptions, add_deltas, make_mfcc, mfcc, read_wavs

pytest.importorskip("kaldi_native_fbank")
soundfile = pytest.importorskip("soundfile")

RATE = 8000
OPTIONS = MfccOptions(low_freq=40.0, high_freq=-200.0)
# Six cepstra of frames 0 and 9 of the tone below, by Kaldi's compute-mfcc-feats --dither=0.
KALDI = [
    [103.9682, -21.5491, -39.1505, -11.5296, -91.706, -49.0588],
    [101.7842, -2.3781, -60.3115, 4.4783, -103.0514, -29.6684],
]


def tone(seconds: float = 0.2) -> np.ndarray:
    t = np.arange(round(seconds * RATE))
    return (8000 * np.sin(2 * np.pi * 440 * t / RATE) + 500 * np.sin(0.7 * t * t / 100)).astype(np.int16)


def data_dir(folder: Path, samples: dict[str, np.ndarray]) -> Path:
    folder.mkdir(exist_ok=True)
    for key, wav in samples.items():
        soundfile.write(folder / f"{key}.wav", wav, RATE, subtype="PCM_16")
    (folder / "wav.scp").write_text("".join(f"{key} {folder}/{key}.wav\n" for key in samples))
    (folder / "utt2spk").write_text("".join(f"{key} s\n" for key in samples))
    return folder


def test_cepstra_are_kaldis() -> None:
    x = mfcc(tone(), RATE, OPTIONS)
    assert x.shape == (18, 40)
    np.testing.assert_allclose(x[[0, 9], :6], KALDI, atol=1e-3)


def test_cepstra_of_recordings_are_kaldis_up_to_dither(shared: Path) -> None:
    """Kaldi's were made with random noise of one unit added and stored in a byte each."""
    data = shared / "fsdd" / "data" / "test"
    archive = data / "feats.ark"
    key, expected = next(iter(read_table(f"ark:{archive}", MATRIX)))
    wavs = dict(line.split() for line in (data / "wav.scp").read_text().splitlines())
    samples, rate = soundfile.read(wavs[key].replace("FSDD/", f"{shared}/fsdd/"), dtype="int16")
    x = mfcc(samples, rate, OPTIONS)
    assert x.shape == expected.shape
    assert np.abs(x - expected).mean() < 0.5


def test_a_data_directory_gets_features_statistics_and_lengths(tmp_path: Path) -> None:
    data = data_dir(tmp_path / "d", {"s-a": tone(0.2), "s-b": tone(0.3)})
    assert make_mfcc(data, OPTIONS) == 18 + 28
    feats = dict(read_table(f"scp:{data}/feats.scp", MATRIX))
    assert {k: x.shape for k, x in feats.items()} == {"s-a": (18, 40), "s-b": (28, 40)}
    assert np.abs(feats["s-a"] - mfcc(tone(0.2), RATE, OPTIONS)).max() < 1.0  # one byte a number
    assert (data / "utt2num_frames").read_text() == "s-a 18\ns-b 28\n"
    ((speaker, stats),) = read_table(f"scp:{data}/cmvn.scp", MATRIX)
    assert speaker == "s" and stats.shape == (2, 41) and stats[0, -1] == 46


def test_the_same_samples_give_the_same_features() -> None:
    np.testing.assert_array_equal(mfcc(tone(), RATE, OPTIONS), mfcc(tone(), RATE, OPTIONS))


def test_a_recording_shorter_than_a_frame_is_named(tmp_path: Path) -> None:
    data = data_dir(tmp_path / "d", {"s-a": tone(0.2), "s-b": tone(0.02)})
    with pytest.raises(ValueError, match="s-b: 160 samples are too few for one frame"):
        make_mfcc(data, OPTIONS)


def test_a_missing_recording_is_named_with_its_line(tmp_path: Path) -> None:
    data = data_dir(tmp_path / "d", {"s-a": tone(), "s-b": tone()})
    (data / "s-b.wav").unlink()
    with pytest.raises(ValueError, match=r"wav\.scp, line 2: .*s-b\.wav"):
        make_mfcc(data, OPTIONS)


def test_two_channels_are_refused(tmp_path: Path) -> None:
    data = data_dir(tmp_path / "d", {"s-a": np.stack([tone(), tone()], 1)})
    with pytest.raises(ValueError, match=r"s-a\.wav: 2 channels; one is expected"):
        list(read_wavs(data / "wav.scp"))


@pytest.mark.parametrize("line", ["s-a", "s-a sox a.flac -t wav - |"])
def test_lines_that_are_no_files_are_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "wav.scp").write_text(line + "\n")
    with pytest.raises(ValueError, match=r"line 1: expected an utterance and a sound file"):
        list(read_wavs(tmp_path / "wav.scp"))


def test_an_utterance_without_speaker_is_named(tmp_path: Path) -> None:
    data = data_dir(tmp_path / "d", {"s-a": tone()})
    (data / "utt2spk").write_text("")
    with pytest.raises(ValueError, match="utt2spk has no speaker for utterance s-a"):
        make_mfcc(data, OPTIONS)


def test_recordings_of_different_rates_are_refused(tmp_path: Path) -> None:
    data = data_dir(tmp_path / "d", {"s-a": tone(), "s-b": tone()})
    soundfile.write(data / "s-b.wav", tone(), 2 * RATE, subtype="PCM_16")
    with pytest.raises(ValueError, match="s-b: 16000 samples a second, those before have 8000"):
        make_mfcc(data, OPTIONS)


def test_deltas_of_a_ramp_are_its_slope() -> None:
    x = np.outer(np.arange(12.0), [1.0, -2.0]).astype(np.float32)
    y = add_deltas(x)
    assert y.shape == (12, 6)
    np.testing.assert_allclose(y[4:8, 2:4], np.tile([1.0, -2.0], (4, 1)), atol=1e-6)
    np.testing.assert_allclose(y[4:8, 4:], 0.0, atol=1e-6)
    np.testing.assert_allclose(y[0, 2:4], np.array([1.0, -2.0]) * 0.5, atol=1e-6)  # (0, 0, 0, 1, 2) of edges

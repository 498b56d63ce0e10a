"""A data directory of a few allowed lengths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("kaldi_native_fbank")
pytest.importorskip("soundfile")

import soundfile

from nnet.formats.kinds import MATRIX
from nnet.formats.tables import read_table
from steps.chain.e2e.lengths import LengthOptions
from steps.chain.e2e.perturb import main, perturb_data
from steps.data_dir import read_map
from steps.decode import read_text
from steps.features import MfccOptions

MFCC = MfccOptions(num_mel_bins=10, num_ceps=5, low_freq=40.0, high_freq=-200.0)


@pytest.fixture
def data(tmp_path: Path, rng: np.random.Generator) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for name, seconds in (("a", 0.4), ("b", 0.5), ("c", 0.61)):
        samples = rng.normal(0, 500, round(8000 * seconds)).astype(np.int16)
        soundfile.write(folder / f"{name}.wav", samples, 8000)
    (folder / "wav.scp").write_text("".join(f"{k} {folder / k}.wav\n" for k in "abc"))
    (folder / "text").write_text("a no\nb on no\nc\n")
    (folder / "utt2spk").write_text("".join(f"{k} {k}\n" for k in "abc"))
    return folder


def test_all_versions_have_allowed_lengths_and_know_where_they_come_from(data: Path, tmp_path: Path) -> None:
    told: list[str] = []
    out = tmp_path / "out"
    perturb_data(data, out, LengthOptions(), MFCC, say=told.append)
    allowed = {int(n) for n in (out / "allowed_lengths.txt").read_text().split()}
    frames = {u: len(x) for u, x in read_table(f"scp:{out / 'feats.scp'}", MATRIX)}
    assert set(frames.values()) <= allowed
    assert frames == {u: int(n) for u, n in read_map(out / "utt2num_frames").items()}
    source = read_map(out / "utt2uniq")
    assert set(source) == set(frames)
    assert all(u.endswith(f"-{s}") for u, s in source.items())
    assert read_map(out / "utt2spk")["pv2-b"] == "pv2-b"
    assert [words for u, words in read_text(out / "text").items() if u == "pv2-b"] == [["on", "no"]]
    assert told == [f"{len(frames)} versions of 3 of 3 utterances, {len(allowed)} allowed lengths"]


def test_the_same_seed_gives_the_same_features(data: Path, tmp_path: Path) -> None:
    for name in ("x", "y"):
        perturb_data(data, tmp_path / name, LengthOptions(), MFCC, seed=3, say=lambda line: None)
    assert (tmp_path / "x/feats.ark").read_bytes() == (tmp_path / "y/feats.ark").read_bytes()


def test_the_directory_that_is_read_is_not_overwritten(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (data / "text").read_bytes()
    assert main(["--data", str(data), "--dir", f"{data}/../data"]) == 1
    assert "is where --data is, which would be overwritten" in capsys.readouterr().err
    assert (data / "text").read_bytes() == before

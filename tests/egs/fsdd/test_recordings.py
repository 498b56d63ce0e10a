"""Recordings to directories: names, parts, first alignments; what is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from egs.fsdd.recordings import WORDS, download, find_recordings, prepare
from steps.ali_dir import AliDir
from steps.lang import read_lang
from steps.search import best_path, read_fst

pytest.importorskip("kaldi_decoder")
pytest.importorskip("kaldi_native_fbank")
soundfile = pytest.importorskip("soundfile")


@pytest.fixture
def wavs(tmp_path: Path) -> Path:
    """Two digits of three speakers, half a second of noise each; one too short, one no recording."""
    folder = tmp_path / "wavs"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for speaker in ("ann", "bob", "eve"):
        for digit in (1, 7):
            samples = (1000 * rng.standard_normal(4000)).astype(np.int16)
            soundfile.write(folder / f"{digit}_{speaker}_0.wav", samples, 8000, subtype="PCM_16")
    soundfile.write(folder / "7_ann_12.wav", np.zeros(900, np.int16), 8000, subtype="PCM_16")
    (folder / "README.md").write_text("not a recording")
    return folder


def test_recordings_are_found_and_sorted_by_speaker(wavs: Path) -> None:
    keys = [r.key for r in find_recordings(wavs)]
    assert keys == ["ann-1-00", "ann-7-00", "ann-7-12", "bob-1-00", "bob-7-00", "eve-1-00", "eve-7-00"]


@pytest.mark.parametrize(
    ("folder", "message"), [("nowhere", "is no directory"), (".", r"holds no file like 7_jackson_32\.wav")]
)
def test_a_folder_without_recordings_is_refused(tmp_path: Path, folder: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_recordings(tmp_path / folder)


def test_everything_is_made_for_training_and_the_test_speaker_is_kept_apart(
    wavs: Path, tmp_path: Path
) -> None:
    top = tmp_path / "run"
    prepare(top, wavs, "eve", seed=0)
    assert (top / "data/test/text").read_text() == "eve-1-00 one\neve-7-00 seven\n"
    assert (
        top / "data/train/spk2utt"
    ).read_text() == "ann ann-1-00 ann-7-00 ann-7-12\nbob bob-1-00 bob-7-00\n"
    ali = AliDir(top / "ali0")
    ali.check()
    found = dict(ali.alignments())
    assert sorted(found) == ["ann-1-00", "ann-7-00", "bob-1-00", "bob-7-00"]  # ann-7-12 has too few frames
    assert {len(ids) for ids in found.values()} == {48}
    assert ali.num_pdfs == 60  # silence and 19 phones of 3 states


def test_the_graph_is_for_one_digit(wavs: Path, tmp_path: Path) -> None:
    top = tmp_path / "run"
    prepare(top, wavs, "eve", seed=0)
    lang, ali = read_lang(top / "lang"), AliDir(top / "ali0")
    ids = dict(ali.alignments())["bob-7-00"]
    scores = np.full((len(ids), ali.transitions.num_ids), -100.0, np.float32)
    scores[np.arange(len(ids)), ids - 1] = 0.0
    path = best_path(read_fst(top / "graph" / "HCLG.fst"), scores, 50.0)
    assert path is not None and path.words == [lang.words["seven"]]
    assert set(lang.lexicon) == {*WORDS, "<UNK>"}


def test_a_speaker_who_is_not_there_is_refused_with_those_who_are(wavs: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leaves nothing for test; there are ann, bob, eve"):
        prepare(tmp_path / "run", wavs, "joe", seed=0)


def test_a_download_that_fails_names_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("egs.fsdd.recordings.ADDRESS", str(tmp_path / "no_such_repository"))
    with pytest.raises(ValueError, match="could not be cloned: give --recordings=DIR"):
        download(tmp_path / "download")


def test_a_download_appears_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    (source / "recordings").mkdir(parents=True)
    (source / "recordings" / "7_ann_0.wav").write_bytes(b"x")
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "-m", "all"]):
        subprocess.run(["git", *words], cwd=source, check=True)
    monkeypatch.setattr("egs.fsdd.recordings.ADDRESS", f"file://{source}")
    assert [r.key for r in find_recordings(download(tmp_path / "run" / "download"))] == ["ann-7-00"]
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["download"]


def test_a_download_that_is_there_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "download" / "recordings").mkdir(parents=True)
    assert download(tmp_path / "download") == tmp_path / "download" / "recordings"

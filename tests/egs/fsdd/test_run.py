"""The recipe for recorded digits: options, both ways in, the table."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from egs.fsdd import recordings, table
from egs.fsdd import run as fsdd
from egs.recipe import RESULT
from nnet.formats.tree import read_tree
from steps.ali_dir import AliDir
from steps.write_ali import write_ali_dir

for package in ("kaldifst", "kaldi_decoder", "kaldialign", "kaldi_native_fbank"):
    pytest.importorskip(package)
soundfile = pytest.importorskip("soundfile")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "one of the arguments --recordings --download --kaldi is required"),
        (["--kaldi=a", "--recordings=b"], "not allowed with argument"),
        (["--kaldi=a", "--l2=-1"], "-1 is negative"),
    ],
)
def test_wrong_options_end_in_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        fsdd.main(words)
    error = capsys.readouterr().err
    assert left.value.code == 1 and message in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--kaldi=nowhere"], "there is no nowhere/data/train/feats.scp"),
        (["--recordings=nowhere"], "--recordings=nowhere is no directory"),
    ],
)
def test_a_missing_corpus_is_named(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fsdd.main([*words, f"--dir={tmp_path / 'run'}"]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_no_decoding_needs_no_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(fsdd.recipe, "need", lambda *packages: asked.extend(packages))
    assert fsdd.main(["--kaldi=nowhere", "--no-decode", f"--dir={tmp_path / 'run'}"]) == 1
    assert asked == []


def whole(data: Path) -> None:
    """Skip if the features are not where their list says: the shared data are damaged, not our reader."""
    feats = (data / "feats.ark").read_bytes()
    offsets = [int(line.rpartition(":")[2]) for line in (data / "feats.scp").read_text().splitlines()]
    if any(feats[o : o + 2] != b"\0B" for o in offsets):
        pytest.skip(f"needs whole features: {data / 'feats.ark'} is not what feats.scp lists")


@pytest.mark.slow
def test_kaldis_directories_end_in_scores_and_an_error_rate(
    shared: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole(shared / "fsdd" / "data" / "train")
    subprocess.run([sys.executable, shared / "fsdd" / "place.py", tmp_path / "fsdd"], check=True)
    for name, ali, step in (("train", "ali", 12), ("test", "ali_test", 20)):
        thin_out(tmp_path / "fsdd" / "data" / name, tmp_path / "fsdd" / "exp" / ali, step)
    run = tmp_path / "run"
    words = [f"--kaldi={tmp_path / 'fsdd'}", f"--dir={run}", "--num-epochs=1", "--jobs=1", "--use-gpu=no"]
    assert fsdd.main(words) == 0
    result = json.loads((run / RESULT).read_text())
    assert -5 < result["unseen"] < result["train"] < 0
    assert 0.1 < result["unseen_accuracy"] < result["train_accuracy"] < 1
    assert 0 <= result["wer"] <= 100 and "%WER" in capfd.readouterr().out


def thin_out(data: Path, ali: Path, step: int) -> None:
    """Keep every `step`th utterance of a data directory and its alignments."""
    for name in ("feats.scp", "text", "utt2spk"):
        lines = (data / name).read_text().splitlines(keepends=True)
        (data / name).write_text("".join(lines[::step]))
    kept = {line.split()[0] for line in lines[::step]}
    old = AliDir(ali)
    found = [(utterance, ids) for utterance, ids in old.alignments() if utterance in kept]
    tree, transitions = read_tree(str(ali / "tree")), old.transitions
    shutil.rmtree(ali)
    write_ali_dir(ali, found, tree, transitions, ali.parents[1] / "lang" / "phones.txt")


@pytest.mark.slow
def test_recordings_alone_end_in_an_error_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Tones for digits: one hiss and one hum are enough for two passes."""
    wavs, rng = tmp_path / "wavs", np.random.default_rng(2)
    wavs.mkdir()
    for speaker in ("ann", "bob", "eve"):
        for number in range(12):
            t = np.arange(3000)
            hum = 3000 * np.sin(t * (0.1 + 0.01 * number)) + 30 * rng.standard_normal(3000)
            hiss = 3000 * rng.standard_normal(3000)
            for digit, x in ((2, hum), (6, hiss)):
                soundfile.write(
                    wavs / f"{digit}_{speaker}_{number}.wav", x.astype(np.int16), 8000, subtype="PCM_16"
                )
    monkeypatch.setattr(recordings, "WORDS", ("", "", "two", "", "", "", "six"))
    monkeypatch.setattr(recordings, "LEXICON", {"two": ["T UW"], "six": ["S IH"]})
    run = tmp_path / "run"
    words = [f"--recordings={wavs}", f"--dir={run}", "--test-speaker=eve", "--passes=2", "--num-epochs=2"]
    assert fsdd.main([*words, "--jobs=1", "--use-gpu=no"]) == 0
    assert json.loads((run / RESULT).read_text())["wer"] < 30
    assert "aligned 48 utterances" in capfd.readouterr().out


def result(train: float, wer: float) -> dict[str, float]:
    return {
        "train": train,
        "valid": -0.4,
        "valid_accuracy": 0.85,
        "unseen": -1.5,
        "unseen_accuracy": 0.56,
        "wer": wer,
    }


def test_the_table_has_a_line_for_each_training_and_one_for_their_mean(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, (train, wer) in enumerate([(-0.1, 8.0), (-0.2, 10.0)]):
        folder = tmp_path / f"l2_0.01_0.002_seed{seed}"
        folder.mkdir()
        (folder / RESULT).write_text(json.dumps(result(train, wer)))
    words = ["--kaldi=unused", f"--dir={tmp_path}", "--seeds=0,1", "--l2=0.01/0.002"]
    assert table.main(words) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| 0.01 / 0.002 | 0 | -0.100 | -0.400 | 0.850 | -1.500 | 0.560 | 8.0 |",
        "| 0.01 / 0.002 | 1 | -0.200 | -0.400 | 0.850 | -1.500 | 0.560 | 10.0 |",
        "| 0.01 / 0.002 | mean | -0.150 | -0.400 | 0.850 | -1.500 | 0.560 | 9.0 |",
    ]


def test_the_table_trains_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[str, ...]] = []

    def call(*command: str) -> None:
        called.append(command)
        folder = tmp_path / "l2_0_0_seed4"
        folder.mkdir()
        (folder / RESULT).write_text(json.dumps(result(-0.1, 8.0)))

    monkeypatch.setattr(table.recipe, "call", call)
    assert table.main(["--kaldi=K", f"--dir={tmp_path}", "--seeds=4", "--l2=0/0"]) == 0
    (command,) = called
    assert command[0] == "egs.fsdd.run"
    assert {"--kaldi=K", f"--dir={tmp_path}/l2_0_0_seed4", "--l2=0", "--l2-output=0", "--seed=4"} <= set(
        command
    )


@pytest.mark.parametrize("text", ["0.01", "0.01/0.002/3", "a/b", ""])
def test_constants_that_are_no_pairs_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"--l2={text}: expected HIDDEN/OUTPUT"):
        table.parse_pairs(text)


@pytest.mark.parametrize("text", ["a", "0,", "1.5", ""])
def test_seeds_that_are_no_whole_numbers_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"--seeds={text}: expected whole numbers"):
        table.parse_seeds(text)

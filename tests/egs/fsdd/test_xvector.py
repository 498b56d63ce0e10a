"""Speakers by x-vectors: parts, chunks, the nearest speaker, a short run on hums."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from egs import recipe
from egs.fsdd import speakers, xvector
from nnet.formats.examples import EXAMPLE
from nnet.formats.kinds import MATRIX
from nnet.formats.tables import TableWriter, read_table
from steps.initial_model import config_vars


def named(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        (folder / f"{name}.wav").touch()
    return folder


def test_the_last_of_ten_recordings_is_kept_apart(tmp_path: Path) -> None:
    wavs = named(tmp_path / "w", *(f"7_{s}_{n}" for s in ("ann", "bob") for n in range(20)))
    parts = speakers.find_parts(wavs)
    assert [r.key for r in parts["test"]] == ["ann-7-09", "ann-7-19", "bob-7-09", "bob-7-19"]
    assert len(parts["train"]) == 36


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["7_ann_1", "7_ann_9"], "has one speaker only, ann"),
        (["7_ann_1", "7_ann_9", "7_bob_1"], "leaves no recording of bob for test"),
        (["7_ann_1", "7_ann_9", "7_bob_9"], "leaves no recording of bob for train"),
    ],
)
def test_speakers_who_cannot_be_trained_or_tested_are_named(
    tmp_path: Path, names: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("kaldi_native_fbank")
    wavs = named(tmp_path / "w", *names)
    assert xvector.main([f"--recordings={wavs}", f"--dir={tmp_path / 'run'}"]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_chunks_are_random_lie_in_their_utterances_and_are_as_many_for_every_speaker() -> None:
    frames = [{"a": 12, "b": 30}, {"c": 25, "d": 19}]
    everything = {u: (n, label) for label, of in enumerate(frames) for u, n in of.items()}
    chunks = speakers.Chunks(per_speaker=50, lengths=(10, 40))
    lines = [line.split() for line in speakers.draw_ranges(frames, chunks, np.random.default_rng(0))]
    assert Counter(line[5] for line in lines) == {"0": 50, "1": 50}
    assert len({line[4] for line in lines}) == 1
    for u, _, _, first, size, label in lines:
        n, wanted = everything[u]
        assert int(label) == wanted and 0 <= int(first) <= n - int(size)
    assert len({(line[0], line[3]) for line in lines}) > 10


def test_the_length_of_chunks_varies_from_table_to_table() -> None:
    rng = np.random.default_rng(0)
    chunks = speakers.Chunks(per_speaker=1, lengths=(10, 40))
    sizes = {speakers.draw_ranges([{"a": 25}], chunks, rng)[0].split()[4] for _ in range(100)}
    assert {int(s) for s in sizes} == set(range(10, 26))


def test_a_speaker_without_long_utterances_is_an_error() -> None:
    with pytest.raises(ValueError, match="has 16 frames, the longest has 15"):
        speakers.draw_ranges([{"a": 40}, {"b": 15, "c": 3}], speakers.Chunks(1), np.random.default_rng(0))


def test_the_nearest_speaker_is_that_of_the_smallest_angle_whatever_the_length() -> None:
    train = {
        u: np.array(x, float) for u, x in {"a1": (9, 1), "a2": (9, -1), "b1": (-9, 1), "b2": (-9, -1)}.items()
    }
    owner = {u: u[0] for u in train}
    test = {u: np.array(x, float) for u, x in {"far": (50, 40), "near": (-0.1, 0.09), "on": (-3, 0)}.items()}
    assert speakers.nearest_speaker(train, owner, test) == {"far": "a", "near": "b", "on": "b"}


def test_the_shortest_chunk_gives_the_network_all_the_context_it_needs(tmp_path: Path) -> None:
    recipe.write_configs(
        tmp_path / "configs", xvector.XCONFIG, {"L2_HIDDEN": 0, "L2_OUTPUT": 0, "SPEAKERS": 3}
    )
    needed = config_vars(tmp_path)
    assert int(needed["left_context"]) == 0
    assert 0 < int(needed["right_context"]) < xvector.CHUNKS.lengths[0]


def test_examples_of_all_speakers_are_mixed(tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    (tmp_path / "egs").mkdir()
    ranges = []
    with TableWriter(f"ark,scp:{tmp_path}/features/train.ark,{tmp_path}/features/train.scp", MATRIX) as out:
        for n in range(40):
            out.write(f"u{n:02d}", np.full((20, 2), n, np.float32))
            ranges.append(f"u{n:02d} 0 0 {n % 5} 16 {n // 20}")
    xvector.make_table(tmp_path, 1, ranges, 2)
    found = [eg for _, eg in read_table(f"ark:{tmp_path}/egs/egs.1.ark", EXAMPLE)]
    labels = [int(eg.io[1].features.indices[0]) for eg in found]
    assert sorted(labels) == [0] * 20 + [1] * 20
    assert 5 <= sum(labels[:20]) <= 15
    assert {len(eg.io[0].indexes) for eg in found} == {16}
    assert not (tmp_path / "egs" / "sorted.1").exists()


@pytest.mark.slow
def test_hums_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three speakers, each with a vibrato of its own."""
    soundfile = pytest.importorskip("soundfile")
    pytest.importorskip("kaldi_native_fbank")
    wavs, rng = tmp_path / "wavs", np.random.default_rng(2)
    wavs.mkdir()
    t = np.arange(4000)
    for pitch, speaker in enumerate(("ann", "bob", "eve"), 1):
        for digit in (2, 6):
            for number in range(20):
                phase = 0.2 * digit * t + 10 * pitch * np.sin(0.01 * t + rng.uniform(0, 6))
                x = 3000 * np.sin(phase) + 100 * rng.standard_normal(len(t))
                name = f"{digit}_{speaker}_{number}.wav"
                soundfile.write(wavs / name, x.astype(np.int16), 8000, subtype="PCM_16")
    monkeypatch.setattr(xvector, "ARCHIVES", 1)
    monkeypatch.setattr(xvector, "CHUNKS", speakers.Chunks(per_speaker=100))
    monkeypatch.setattr(xvector, "WATCHED", 4)
    run = tmp_path / "run"
    words = [f"--recordings={wavs}", f"--dir={run}", "--num-epochs=4", "--jobs=1", "--use-gpu=no"]
    assert xvector.main(words) == 0
    result = json.loads((run / "result.json").read_text())
    assert result["recordings"] == 12 and result["errors"] <= 3

"""Data directories as they are written, and read again."""

from __future__ import annotations

from pathlib import Path

from steps.data_dir import read_map
from steps.write_data import Recorded, write_data_dir


def test_every_list_names_every_utterance(tmp_path: Path) -> None:
    said = [("b-1", "b", "two"), ("a-1", "a", "one two"), ("b-2", "b", "three")]
    write_data_dir(tmp_path / "d", [Recorded(k, s, w, tmp_path / f"{k}.wav") for k, s, w in said])
    assert read_map(tmp_path / "d/text") == {"b-1": "two", "a-1": "one two", "b-2": "three"}
    assert read_map(tmp_path / "d/utt2spk") == {"b-1": "b", "a-1": "a", "b-2": "b"}
    assert (tmp_path / "d/spk2utt").read_text() == "a a-1\nb b-1 b-2\n"
    assert read_map(tmp_path / "d/wav.scp")["a-1"] == f"{tmp_path}/a-1.wav"

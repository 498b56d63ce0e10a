"""Writes a Kaldi data directory of recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steps.texts import write_lines


@dataclass(frozen=True)
class Recorded:
    """An utterance with a recording of its own; its key begins with the speaker's name, as Kaldi wants it."""

    key: str
    speaker: str
    words: str
    wav: Path


def write_data_dir(folder: Path, utterances: Sequence[Recorded]) -> None:
    """Write wav.scp, text, utt2spk and spk2utt. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    of_speaker: dict[str, list[str]] = {}
    for u in utterances:
        of_speaker.setdefault(u.speaker, []).append(u.key)
    write_lines(folder / "wav.scp", [f"{u.key} {u.wav}" for u in utterances])
    write_lines(folder / "text", [f"{u.key} {u.words}" for u in utterances])
    write_lines(folder / "utt2spk", [f"{u.key} {u.speaker}" for u in utterances])
    write_lines(folder / "spk2utt", [f"{s} {' '.join(keys)}" for s, keys in sorted(of_speaker.items())])

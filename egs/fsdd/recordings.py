"""From recordings alone to directories that can be trained on: data, lang, first alignments, graph."""

from __future__ import annotations

import argparse
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from steps.decode import read_text
from steps.features import MfccOptions, make_mfcc
from steps.graph import decoding_graph, word_sequence, write_graph
from steps.lang import make_lang, read_lang, write_lang
from steps.monophone import equal_alignment, monophone_model
from steps.write_ali import write_ali_dir
from steps.write_data import Recorded, write_data_dir

ADDRESS = "https://github.com/Jakobovski/free-spoken-digit-dataset"
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LEXICON = {
    "zero": ["Z IH R OW", "Z IY R OW"],
    "one": ["W AH N"],
    "two": ["T UW"],
    "three": ["TH R IY"],
    "four": ["F AO R"],
    "five": ["F AY V"],
    "six": ["S IH K S"],
    "seven": ["S EH V AH N"],
    "eight": ["EY T"],
    "nine": ["N AY N"],
}
MFCC = MfccOptions(low_freq=40.0, high_freq=-200.0)
NAME = re.compile(r"(?P<digit>[0-9])_(?P<speaker>[A-Za-z]+)_(?P<number>[0-9]+)\.wav")


@dataclass(frozen=True)
class Recording:
    """One file of the corpus: DIGIT_SPEAKER_NUMBER.wav."""

    path: Path
    digit: int
    speaker: str
    number: int

    @property
    def key(self) -> str:
        """The name of the utterance, which begins with the speaker's as Kaldi wants it."""
        return f"{self.speaker}-{self.digit}-{self.number:02d}"


def add_source(options: argparse.ArgumentParser) -> argparse._MutuallyExclusiveGroup:
    """Where the recordings come from: one of the options in this group must be given."""
    source = options.add_mutually_exclusive_group(required=True)
    source.add_argument("--recordings", type=Path, help="directory of wavs")
    source.add_argument("--download", action="store_true", help="clone the wavs from GitHub")
    return source


def download(folder: Path) -> Path:
    """The directory of recordings, cloned from GitHub unless it is there. Raises ValueError if that fails."""
    if not (folder / "recordings").is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as place:
            command = ["git", "clone", "--quiet", "--depth", "1", ADDRESS, f"{place}/clone"]
            print(f"$ {' '.join(command)}", flush=True)
            try:
                done = subprocess.run(command, check=False)
            except FileNotFoundError:
                raise ValueError("--download needs git") from None
            if done.returncode != 0:
                raise ValueError(f"{ADDRESS} could not be cloned: give --recordings=DIR if you have its wavs")
            Path(place, "clone").rename(folder)
    return folder / "recordings"


def find_recordings(folder: Path) -> list[Recording]:
    """All recordings in `folder`, sorted by key. Raises ValueError if there are none."""
    if not folder.is_dir():
        raise ValueError(f"--recordings={folder} is no directory")
    found = []
    for path in folder.iterdir():
        if match := NAME.fullmatch(path.name):
            number = int(match["number"])
            found.append(Recording(path.resolve(), int(match["digit"]), match["speaker"], number))
    if not found:
        raise ValueError(f"--recordings={folder} holds no file like 7_jackson_32.wav")
    return sorted(found, key=lambda r: r.key)


def find_parts(folder: Path, test_speaker: str) -> dict[str, list[Recording]]:
    """The recordings in `folder` as `train` and `test`. Raises ValueError if one of them would be empty."""
    everything = find_recordings(folder)
    parts = {
        "train": [r for r in everything if r.speaker != test_speaker],
        "test": [r for r in everything if r.speaker == test_speaker],
    }
    for name, part in parts.items():
        if not part:
            speakers = ", ".join(sorted({r.speaker for r in everything}))
            raise ValueError(f"--test-speaker={test_speaker} leaves nothing for {name}; there are {speakers}")
    return parts


def prepare(top: Path, recordings: Path, test_speaker: str, seed: int) -> None:
    """Write top/data/{train,test}, top/lang, top/ali0 and top/graph. Raises ValueError as find_parts does."""
    for name, part in find_parts(recordings, test_speaker).items():
        write_data(top / "data" / name, part)
        make_mfcc(top / "data" / name, MFCC)
    lexicon = {word: [p.split() for p in prons] for word, prons in LEXICON.items()}
    write_lang(make_lang(lexicon), top / "lang")
    flat_start(top / "data" / "train", top / "lang", top / "ali0", seed)
    lang = read_lang(top / "lang")
    tree, model = monophone_model(top / "lang", lang)
    graph = decoding_graph(word_sequence(lang, [list(LEXICON)]), tree, model)
    write_graph(top / "graph", graph, lang, model)


def write_data(folder: Path, recordings: Sequence[Recording]) -> None:
    """Write Kaldi's wav.scp, text, utt2spk and spk2utt. Raises OSError."""
    write_data_dir(folder, [Recorded(r.key, r.speaker, WORDS[r.digit], r.path) for r in recordings])


def flat_start(data: Path, lang_folder: Path, folder: Path, seed: int) -> None:
    """Make `folder` an alignment directory in which all phones of an utterance have the same share."""
    lang = read_lang(lang_folder)
    tree, model = monophone_model(lang_folder, lang)
    rng = np.random.default_rng(seed)
    lengths = (line.split() for line in (data / "utt2num_frames").read_text(encoding="utf-8").splitlines())
    text = read_text(data / "text")

    def alignments() -> Iterator[tuple[str, np.ndarray]]:
        for utterance, frames in lengths:
            ids = equal_alignment(model, lang, text[utterance], int(frames), rng)
            if ids is not None:  # else too short for its words
                yield utterance, ids

    write_ali_dir(folder, alignments(), tree, model, lang_folder / "phones.txt")

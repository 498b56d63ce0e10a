"""A data directory whose utterances have a few allowed lengths, by changes of speed and by silence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from nnet.files import atomic_write
from steps.chain.e2e.lengths import LengthOptions, allowed_lengths, versions
from steps.data_dir import read_map
from steps.decode import read_text
from steps.features import MfccOptions, mfcc, read_wavs, write_features

Version = tuple[str, str, np.ndarray, int]  # its name, its utterance, samples, samples a second


def perturb_data(
    data: Path,
    folder: Path,
    options: LengthOptions,
    features: MfccOptions,
    seed: int = 0,
    say: Callable[[str], None] = print,
) -> None:
    """Make `folder` a data directory of the versions of the recordings in data/wav.scp that have allowed
    lengths, with features, cmvn statistics by version and speaker, and allowed_lengths.txt.

    (perturb_speed_to_allowed_lengths.py and make_mfcc.sh.) Raises ValueError if no version is left.
    """
    lengths = allowed_lengths([len(x) / rate for _, x, rate in read_wavs(data / "wav.scp")], options)
    names = [(name, utterance) for name, utterance, _, _ in _versions(data, lengths, options, seed)]
    if not names:
        raise ValueError(f"no utterance of {data} is near a length of {', '.join(map(str, lengths))} frames")
    used = len({utterance for _, utterance in names})
    whole = len(read_map(data / "wav.scp"))
    say(f"{len(names)} versions of {used} of {whole} utterances, {len(lengths)} allowed lengths")
    _write_lists(data, folder, names)
    with atomic_write(folder / "allowed_lengths.txt", text=True) as stream:
        stream.writelines(f"{n}\n" for n in lengths)
    write_features(
        folder,
        ((name, mfcc(x, rate, features)) for name, _, x, rate in _versions(data, lengths, options, seed)),
    )


def _versions(data: Path, lengths: list[int], options: LengthOptions, seed: int) -> Iterator[Version]:
    """The versions of all recordings, the same ones every time."""
    rng = np.random.default_rng(seed)
    for utterance, samples, rate in read_wavs(data / "wav.scp"):
        for kind, x in versions(samples, rate, lengths, options, rng):
            yield f"{kind}-{utterance}", utterance, x, rate


def _write_lists(data: Path, folder: Path, names: list[tuple[str, str]]) -> None:
    text, speakers = read_text(data / "text"), read_map(data / "utt2spk")
    rows = [(name, utterance, f"{name.partition('-')[0]}-{speakers[utterance]}") for name, utterance in names]
    of_speaker: dict[str, list[str]] = {}
    for name, _, speaker in rows:
        of_speaker.setdefault(speaker, []).append(name)
    files = {
        "text": [f"{name} {' '.join(text[u])}".rstrip() for name, u, _ in rows if u in text],
        "utt2spk": [f"{name} {speaker}" for name, _, speaker in rows],
        "utt2uniq": [f"{name} {u}" for name, u, _ in rows],
        "spk2utt": [f"{speaker} {' '.join(sorted(of_speaker[speaker]))}" for speaker in sorted(of_speaker)],
    }
    folder.mkdir(parents=True, exist_ok=True)
    for file, lines in files.items():
        with atomic_write(folder / file, text=True) as stream:
            stream.writelines(line + "\n" for line in sorted(lines))

"""Who speaks: parts of the recordings, chunks of speakers to train on, the speaker nearest to a vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from egs.fsdd.recordings import MFCC, Recording, find_recordings, write_data
from nnet.formats.kinds import MATRIX
from nnet.formats.tables import TableWriter, read_table
from steps.data_dir import read_map
from steps.features import make_mfcc

FOLDS = 10  # one of them is the test set


@dataclass(frozen=True)
class Chunks:
    """Chunks for one archive: all of one length, which is drawn from `lengths` (frames, inclusive)."""

    per_speaker: int
    lengths: tuple[int, int] = (16, 40)


def find_parts(folder: Path) -> dict[str, list[Recording]]:
    """Recordings as `train` and `test`: of every digit and speaker, the last of every FOLDS recordings is
    for the test. Raises ValueError if a part would lack a speaker, or there is only one.
    """
    everything = find_recordings(folder)
    held = {True: "test", False: "train"}
    parts: dict[str, list[Recording]] = {"train": [], "test": []}
    for r in everything:
        parts[held[r.number % FOLDS == FOLDS - 1]].append(r)
    speakers = {r.speaker for r in everything}
    if len(speakers) < 2:
        raise ValueError(f"--recordings={folder} has one speaker only, {speakers.pop()}")
    for name, part in parts.items():
        if lacking := sorted(speakers - {r.speaker for r in part}):
            raise ValueError(f"--recordings={folder} leaves no recording of {lacking[0]} for {name}")
    return parts


def prepare(top: Path, folder: Path) -> None:
    """Write top/data/{train,test}, and top/features/{train,test}.{ark,scp}: cepstra less their mean over the
    recording, so that it is not the microphone that is recognised. Raises ValueError as find_parts does.
    """
    (top / "features").mkdir(parents=True, exist_ok=True)
    for name, part in find_parts(folder).items():
        data = top / "data" / name
        write_data(data, part)
        make_mfcc(data, MFCC)
        with TableWriter(f"ark,scp:{top}/features/{name}.ark,{top}/features/{name}.scp", MATRIX) as out:
            for key, x in read_table(f"scp:{data}/feats.scp", MATRIX):
                out.write(key, x - x.mean(axis=0))


def utterances(data: Path) -> dict[str, dict[str, int]]:
    """Frames by utterance, by speaker; speakers sorted."""
    frames, speakers = read_map(data / "utt2num_frames"), read_map(data / "utt2spk")
    found: dict[str, dict[str, int]] = {s: {} for s in sorted(set(speakers.values()))}
    for u, speaker in speakers.items():
        found[speaker][u] = int(frames[u])
    return found


def draw_ranges(
    of_speaker: Sequence[Mapping[str, int]], chunks: Chunks, rng: np.random.Generator
) -> list[str]:
    """Lines for nnet3-xvector-get-egs: random chunks, as many of every speaker, classes in the order given.

    Raises ValueError if no utterance of a speaker is long enough for the shortest chunk.
    """
    least, most = chunks.lengths
    shortest = min(max(lengths.values(), default=0) for lengths in of_speaker)
    if shortest < least:
        raise ValueError(f"no utterance of a speaker has {least} frames, the longest has {shortest}")
    size = int(rng.integers(least, min(most, shortest) + 1))
    lines = []
    for label, lengths in enumerate(of_speaker):
        usable = [(u, n) for u, n in lengths.items() if n >= size]
        for i in rng.integers(0, len(usable), chunks.per_speaker):
            u, n = usable[i]
            lines.append(f"{u} 0 0 {rng.integers(0, n - size + 1)} {size} {label}")
    return [lines[i] for i in rng.permutation(len(lines))]


def nearest_speaker(
    train: Mapping[str, np.ndarray], speaker_of: Mapping[str, str], test: Mapping[str, np.ndarray]
) -> dict[str, str]:
    """Speaker by utterance of `test`: the one whose mean vector in `train` makes the smallest angle with the
    utterance's, all seen from the mean of `train`.
    """
    centre = np.mean(list(train.values()), axis=0)
    speakers = sorted({speaker_of[u] for u in train})
    own = [[_direction(x - centre) for u, x in train.items() if speaker_of[u] == s] for s in speakers]
    means = np.stack([_direction(np.mean(vectors, axis=0)) for vectors in own])  # (speakers, D)
    return {u: speakers[int(np.argmax(means @ (x - centre)))] for u, x in test.items()}


def _direction(x: np.ndarray) -> np.ndarray:
    return x / max(float(np.linalg.norm(x)), 1e-20)

"""A data directory whose utterances have a few allowed lengths, by changes of speed and by silence."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnet.files import atomic_write
from steps.chain.e2e.lengths import LengthOptions, allowed_lengths, versions
from steps.command_line import check_apart, run_command
from steps.data_dir import read_map
from steps.decode import read_text
from steps.features import MfccOptions, mfcc, read_wavs, write_features
from steps.options import option, required

HEADING = """Make a data directory whose utterances have a few allowed lengths, for flat-start LF-MMI.

Usage: python -m steps.chain.e2e.perturb [options] --data DATA --dir OUT

DATA has wav.scp, text and utt2spk. Every recording is slowed down, sped up, and extended with silence to the
nearest lengths; OUT gets features, cmvn statistics, text, utt2spk, utt2uniq and allowed_lengths.txt.
Needs kaldi-native-fbank and soundfile: pip install -e '.[audio]'."""


@dataclass(frozen=True, kw_only=True)
class PerturbOptions:
    """Options of the command; those of features are Kaldi's compute-mfcc-feats'."""

    data: str = required("data", "data directory with wav.scp, text and utt2spk")
    dir: str = required("dir", "the new data directory")
    factor: float = option("factor", 12.0, "per cent from one allowed length to the next")
    coverage: float = option(
        "coverage", 0.05, "per cent of the data at either end without a length of theirs"
    )
    shortest: float = option("shortest", 0.3, "seconds of the shortest allowed length, at least")
    frame_subsampling_factor: int = option(
        "frame-subsampling-factor", 3, "lengths are multiples of it, in frames"
    )
    num_mel_bins: int = option("num-mel-bins", 40, "mel filters")
    num_ceps: int = option("num-ceps", 40, "cepstral coefficients")
    low_freq: float = option("low-freq", 20.0, "lowest frequency, Hz")
    high_freq: float = option("high-freq", -400.0, "highest, Hz; below zero: so much under half the rate")
    srand: int = option("srand", 0, "seed of the noise that extends recordings")

    def lengths(self) -> LengthOptions:
        """What the choice of lengths is told. Raises ValueError."""
        return LengthOptions(
            self.factor,
            self.coverage,
            self.shortest,
            frame_subsampling_factor=self.frame_subsampling_factor,
        )

    def features(self) -> MfccOptions:
        """What the features are."""
        return MfccOptions(self.num_mel_bins, self.num_ceps, self.low_freq, self.high_freq)


def main(argv: Sequence[str] | None = None) -> int:
    """Make the directory; returns the exit status."""
    return run_command("perturb", HEADING, PerturbOptions, perturb, argv, "audio")


def perturb(o: PerturbOptions) -> None:
    """Make the directory that the options describe. Raises ValueError if it is the one that is read."""
    check_apart(Path(o.dir), "--data", Path(o.data))
    perturb_data(Path(o.data), Path(o.dir), o.lengths(), o.features(), o.srand)


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


if __name__ == "__main__":
    sys.exit(main())

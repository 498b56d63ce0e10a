"""A Kaldi data directory: which utterances it has, and their features with cepstral mean and variance
normalisation.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nnet.formats.kinds import DOUBLE_MATRIX, GENERAL_MATRIX
from nnet.formats.matrix import dense
from nnet.formats.tables import RandomAccess, random_access, read_table
from steps.options import option, parse

VARIANCE_FLOOR = 1.0e-20


@dataclass(frozen=True)
class CmvnOptions:
    """Options of apply-cmvn."""

    norm_means: bool = option("norm-means", True, "subtract the speaker's mean")
    norm_vars: bool = option("norm-vars", False, "divide by the speaker's standard deviation")
    skip_dims: str = option("skip-dims", "", "dimensions to leave alone, e.g. 13:14:15")

    @property
    def changes(self) -> bool:
        """Whether features are changed at all."""
        return self.norm_means or self.norm_vars


def cmvn_options(text: str | None) -> CmvnOptions:
    """The options in a string such as '--norm-means=false --norm-vars=false'. Raises ValueError for
    others.
    """
    try:
        return parse(CmvnOptions, shlex.split(text or ""))
    except ValueError as error:
        raise ValueError(f"--feat.cmvn-opts={text!r}: {error}") from error


@dataclass(frozen=True)
class DataDir:
    """`path` holds feats.scp, utt2spk and, unless nothing is normalised, cmvn.scp."""

    path: Path
    cmvn: CmvnOptions

    def check(self) -> None:
        """Raise ValueError if a file is missing."""
        for name in ("feats.scp", "utt2spk", *(["cmvn.scp"] if self.cmvn.changes else [])):
            if not (self.path / name).is_file():
                hint = "; --feat.cmvn-opts='--norm-means=false' does without" if name == "cmvn.scp" else ""
                raise ValueError(f"--feat-dir={self.path}: there is no {self.path / name}{hint}")

    def input_files(self) -> list[Path]:
        """The files that decide what the features are."""
        names = ("feats.scp", "utt2spk", *(["cmvn.scp"] if self.cmvn.changes else []), "utt2uniq")
        return [self.path / name for name in names if (self.path / name).exists()]

    @cached_property
    def feats(self) -> dict[str, str]:
        """Utterance -> place of its features, in the order of feats.scp."""
        return read_map(self.path / "feats.scp")

    @cached_property
    def utt2spk(self) -> dict[str, str]:
        """Utterance -> speaker."""
        return read_map(self.path / "utt2spk")

    def same_source(self, utterances: Iterable[str]) -> list[str]:
        """`utterances` and all perturbed versions of them (utt2uniq), in the order of feats.scp."""
        wanted = set(utterances)
        if (self.path / "utt2uniq").exists():
            source = read_map(self.path / "utt2uniq")
            sources = {source.get(u, u) for u in wanted}
            wanted |= {u for u in self.feats if source.get(u, u) in sources}
        return [u for u in self.feats if u in wanted]

    def features(self, utterances: Iterable[str], work: Path) -> Iterator[tuple[str, Any]]:
        """(utterance, matrix (T, D)) for those of `utterances` that have features; `work` is a name for
        a list.
        """
        lines = [f"{u} {self.feats[u]}\n" for u in utterances if u in self.feats]
        work.write_text("".join(lines), encoding="utf-8")
        if not self.cmvn.changes:
            yield from read_table(f"scp:{work}", GENERAL_MATRIX)
            return
        with random_access(f"scp:{self.path / 'cmvn.scp'}", DOUBLE_MATRIX) as stats:
            for utterance, x in read_table(f"scp:{work}", GENERAL_MATRIX):
                yield utterance, normalise(dense(x), self._stats(utterance, stats), self.cmvn)

    def _stats(self, utterance: str, stats: RandomAccess) -> np.ndarray:
        speaker = self.utt2spk.get(utterance)
        if speaker is None or speaker not in stats:
            raise ValueError(f"{self.path}: no cmvn statistics for utterance {utterance} (speaker {speaker})")
        return stats[speaker]


def normalise(x: np.ndarray, stats: np.ndarray, options: CmvnOptions) -> np.ndarray:
    """Features (T, D) normalised by sums `stats` (2, D + 1): values and count, squares (Kaldi's
    ApplyCmvn).
    """
    if stats.shape[1] != x.shape[1] + 1:
        raise ValueError(f"cmvn statistics are for dim {stats.shape[1] - 1}, features have dim {x.shape[1]}")
    stats = stats.astype(np.float64)
    count = stats[0, -1]
    if count < 1.0:
        raise ValueError(f"cmvn statistics have count {count:g}, too little to normalise with")
    mean = stats[0, :-1] / count
    scale = np.ones_like(mean)
    if options.norm_vars:
        variance = stats[1, :-1] / count - mean * mean
        scale = 1.0 / np.sqrt(np.maximum(variance, VARIANCE_FLOOR))
    offset = -mean * scale if options.norm_means or options.norm_vars else np.zeros_like(mean)
    for d in filter(None, options.skip_dims.split(":")):
        scale[int(d)], offset[int(d)] = 1.0, 0.0
    return x * scale.astype(np.float32) + offset.astype(np.float32)


def read_map(path: Path) -> dict[str, str]:
    """First word of each line -> the rest. Raises ValueError for a line of one word or a key given twice."""
    result = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = line.split(maxsplit=1)
        if len(words) != 2:
            raise ValueError(f"{path}, line {number}: expected a key and a value, got {line!r}")
        if words[0] in result:
            raise ValueError(f"{path}, line {number}: {words[0]} is given twice")
        result[words[0]] = words[1].strip()
    return result

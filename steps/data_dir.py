"""A Kaldi data directory: which utterances it has, and their features with cepstral mean and variance
normalisation.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nnet.files import atomic_write
from nnet.formats.kinds import DOUBLE_MATRIX, GENERAL_MATRIX
from nnet.formats.matrix import dense
from nnet.formats.tables import RandomAccess, random_access, read_table
from steps.options import option, parse
from steps.texts import first_word, read_lines

VARIANCE_FLOOR = 1.0e-20


@dataclass(frozen=True)
class CmvnOptions:
    """Options of apply-cmvn."""

    norm_means: bool = option("norm-means", True, "subtract the speaker's mean")
    norm_vars: bool = option("norm-vars", False, "divide by the speaker's standard deviation")
    skip_dims: str = option("skip-dims", "", "dimensions to leave alone, e.g. 13:14:15")

    def __post_init__(self) -> None:
        if self.norm_vars and not self.norm_means:
            raise ValueError("--norm-vars=true needs --norm-means=true: variances are those around the mean")
        if not re.fullmatch(r"([0-9]+(:[0-9]+)*)?", self.skip_dims, re.ASCII):
            raise ValueError(
                f"--skip-dims={self.skip_dims}: expected dimensions with colons between, as 13:14"
            )

    @property
    def changes(self) -> bool:
        """Whether features are changed at all; without --norm-means they are not (Kaldi's apply-cmvn)."""
        return self.norm_means

    def skipped(self, dim: int) -> list[int]:
        """The dimensions to leave alone. Raises ValueError for one that features of dim `dim` do not have."""
        dims = [int(d) for d in filter(None, self.skip_dims.split(":"))]
        for d in dims:
            if d >= dim:
                raise ValueError(f"--skip-dims={self.skip_dims}: features of dim {dim} have no dimension {d}")
        return dims


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
    allow_pipes: bool = False  # run commands that stand inside the script files

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
        with atomic_write(work, text=True) as stream:
            stream.writelines(lines)
        if not self.cmvn.changes:
            yield from read_table(f"scp:{work}", GENERAL_MATRIX, self.allow_pipes)
            return
        with random_access(f"scp:{self.path / 'cmvn.scp'}", DOUBLE_MATRIX, self.allow_pipes) as stats:
            for utterance, x in read_table(f"scp:{work}", GENERAL_MATRIX, self.allow_pipes):
                yield utterance, normalise(dense(x), self._stats(utterance, stats), self.cmvn)

    def _stats(self, utterance: str, stats: RandomAccess) -> np.ndarray:
        speaker = self.utt2spk.get(utterance)
        if speaker is None or speaker not in stats:
            raise ValueError(f"{self.path}: no cmvn statistics for utterance {utterance} (speaker {speaker})")
        return stats[speaker]


def normalise(x: np.ndarray, stats: np.ndarray, options: CmvnOptions) -> np.ndarray:
    """Features (T, D) normalised by sums `stats` (2, D + 1): values and count, squares (Kaldi's
    ApplyCmvn); as they are without --norm-means.
    """
    if not options.changes:
        return x
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
    offset = -mean * scale
    skipped = options.skipped(len(mean))
    scale[skipped], offset[skipped] = 1.0, 0.0
    return x * scale.astype(np.float32) + offset.astype(np.float32)


def read_map(path: Path) -> dict[str, str]:
    """First word of each line -> the rest. Raises ValueError for a line of one word or a key given twice."""
    result = {}
    for number, line in enumerate(read_lines(path), 1):
        key, value = first_word(line)
        if not value:
            raise ValueError(f"{path}, line {number}: expected a key and a value, got {line!r}")
        if key in result:
            raise ValueError(f"{path}, line {number}: {key} is given twice")
        result[key] = value
    return result

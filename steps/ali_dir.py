"""An alignment directory: transition-ids by utterance, the model they belong to, and what they count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from nnet.formats.kinds import INT_VECTOR
from nnet.formats.tables import read_table
from nnet.formats.transition_update import count_ids
from nnet.formats.transitions import TransitionModel, read_transition_model
from nnet.formats.tree import read_tree
from steps.texts import read_int


@dataclass(frozen=True)
class AliDir:
    """`path` holds ali.1.gz ... ali.N.gz, num_jobs, final.mdl, tree and phones.txt; `option` named it."""

    path: Path
    option: str = "--ali-dir"

    def check(self) -> None:
        """Raise ValueError if a file is missing."""
        for name in ("final.mdl", "tree"):
            if not (self.path / name).is_file():
                raise ValueError(f"{self.option}={self.path}: there is no {self.path / name}")
        self.archives()

    def archives(self) -> list[Path]:
        """The archives of alignments in order. Raises ValueError if num_jobs says there should be others."""
        paths = sorted(self.path.glob("ali.*.gz"), key=lambda p: _number(p.name))
        jobs = self.path / "num_jobs"
        count = read_int(jobs) if jobs.is_file() else max(1, len(paths))
        missing = [n for n in range(1, count + 1) if not (self.path / f"ali.{n}.gz").is_file()]
        if missing:
            raise ValueError(
                f"{self.option}={self.path}: there is no {self.path / f'ali.{missing[0]}.gz'} (num_jobs says "
                f"{count})"
            )
        return [self.path / f"ali.{n}.gz" for n in range(1, count + 1)]

    def input_files(self) -> list[Path]:
        """The files that decide what the labels are."""
        return [*self.archives(), self.path / "final.mdl", self.path / "tree"]

    @cached_property
    def frame_subsampling_factor(self) -> int:
        """Frames of features for each transition-id: 1 unless a file of that name says otherwise."""
        path = self.path / "frame_subsampling_factor"
        return read_int(path) if path.is_file() else 1

    @cached_property
    def transitions(self) -> TransitionModel:
        """The transition model of the alignments."""
        return read_transition_model(str(self.path / "final.mdl"))

    @cached_property
    def num_pdfs(self) -> int:
        """Leaves of the tree: the dimension of labels."""
        return read_tree(str(self.path / "tree")).num_pdfs

    def alignments(self) -> Iterator[tuple[str, np.ndarray]]:
        """(utterance, transition-ids (T,)) of all archives."""
        for archive in self.archives():
            yield from read_table(f"ark:{archive}", INT_VECTOR)

    @cached_property
    def id_counts(self) -> np.ndarray:
        """How often each transition-id occurs."""
        counts, _ = count_ids(self.transitions, (ids for _, ids in self.alignments()))
        return counts

    def pdf_counts(self) -> np.ndarray:
        """(num_pdfs,) float64: how often each pdf occurs."""
        ids = np.arange(1, len(self.id_counts))
        return np.bincount(self.transitions.pdf_of(ids), self.id_counts[1:], minlength=self.num_pdfs)


def _number(name: str) -> int:
    middle = name.split(".")[1]
    return int(middle) if middle.isdigit() else 0

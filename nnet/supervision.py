"""What a chain example says about its frames: which sequences of pdfs they may have, as acceptors."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nnet.fst.arrays import Fst


@dataclass(frozen=True)
class Supervision:
    """Paths that are right (Kaldi's chain::Supervision).

    `fsts`: acceptors of pdf + 1. If `end_to_end`, one for each of `num_sequences` sequences, with any paths
    of `frames_per_sequence` arcs; else without cycles: a single one, its sequences one after the other, as
    files have it, or one for each sequence.
    `weight`: of the objective. `label_dim`: number of pdfs. `alignment_pdfs`: one path, for LDA; or empty.
    """

    weight: float
    num_sequences: int
    frames_per_sequence: int
    label_dim: int
    end_to_end: bool
    fsts: tuple[Fst, ...]
    alignment_pdfs: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))

    def __post_init__(self) -> None:
        sizes = self.num_sequences, self.frames_per_sequence, self.label_dim
        if min(sizes) < 1:
            raise ValueError(
                f"chain supervision of {sizes[0]} sequences with {sizes[1]} frames and {sizes[2]} labels"
            )
        wanted = self.num_sequences if self.end_to_end else 1
        if len(self.fsts) not in (wanted, self.num_sequences):
            raise ValueError(f"chain supervision has {len(self.fsts)} FSTs where {wanted} are expected")

    @property
    def num_frames(self) -> int:
        """Frames of all sequences."""
        return self.num_sequences * self.frames_per_sequence

"""A minibatch as arrays: what the trainer computes with, free of file formats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnet.backend import Array
from nnet.supervision import Supervision


@dataclass(frozen=True)
class SparseTarget:
    """Supervision as a list of entries: weight[i] for class column[i] at frame frames[t[i]] of sequence n[i].

    Entries are unique in (t, n, column). `dim` is the number of classes.
    """

    frames: tuple[int, ...]
    dim: int
    t: np.ndarray  # positions in `frames`
    n: np.ndarray
    column: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class DenseTarget:
    """Supervision as an array: values (T, N, dim)."""

    frames: tuple[int, ...]
    values: Array

    @property
    def dim(self) -> int:
        """Number of classes or values per frame."""
        return int(self.values.shape[-1])


@dataclass(frozen=True)
class ChainTarget:
    """What an output is to say in LF-MMI training: not a label per frame, but which sequences are right.

    `deriv_weights` (T, N): factors on the derivative, or None where all are 1.
    """

    frames: tuple[int, ...]
    supervision: Supervision
    deriv_weights: np.ndarray | None = None

    @property
    def dim(self) -> int:
        """Number of pdfs."""
        return self.supervision.label_dim


Target = SparseTarget | DenseTarget


@dataclass(frozen=True)
class Minibatch:
    """`n` sequences of one structure: inputs by node as (frames, array (T, N, D)), targets by output."""

    n: int
    inputs: dict[str, tuple[tuple[int, ...], Array]]
    outputs: dict[str, Target | ChainTarget]

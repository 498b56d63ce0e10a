"""Alignments from the times at which espeak-ng began each phone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from egs.digits.corpus import Utterance
from nnet.formats.transitions import TransitionModel
from nnet.formats.tree import ContextTree
from steps.features import MfccOptions
from steps.lang import Lang
from steps.monophone import NUM_STATES, monophone_model, transition_ids
from steps.write_ali import write_ali_dir


def phone_lengths(starts: Sequence[int], num_frames: int, rate: int, options: MfccOptions) -> list[int]:
    """Frames of every phone, from the sample at which it begins; a frame belongs to the phone at its middle.

    Every phone gets at least NUM_STATES frames, taken from its neighbours where it is shorter. Raises
    ValueError if there are not enough frames for that.
    """
    if num_frames < NUM_STATES * len(starts):
        raise ValueError(f"{num_frames} frames are too few for {len(starts)} phones of {NUM_STATES} states")
    middle = options.frame_length_ms / 2
    edges = [round((s * 1000 / rate - middle) / options.frame_shift_ms) for s in starts[1:]] + [num_frames]
    last = 0
    for i, edge in enumerate(edges):
        edges[i] = last = max(edge, last + NUM_STATES)
    limit = num_frames
    for i in range(len(edges) - 1, -1, -1):
        edges[i] = min(edges[i], limit)
        limit = edges[i] - NUM_STATES
    edges[-1] = num_frames
    return [b - a for a, b in zip([0, *edges], edges)]


def write_alignments(
    folder: Path,
    corpus: Sequence[Utterance],
    num_frames: Mapping[str, int],
    lang: Lang,
    lang_folder: Path,
    options: MfccOptions,
) -> tuple[ContextTree, TransitionModel]:
    """Write an alignment directory for `corpus`, its features made with `options`; its tree and model."""
    tree, model = monophone_model(lang_folder, lang)

    def alignments() -> Iterator[tuple[str, np.ndarray]]:
        for u in corpus:
            starts = [start for _, start in u.phones]
            lengths = phone_lengths(starts, num_frames[u.key], u.rate, options)
            yield u.key, transition_ids(model, [lang.phones[p] for p, _ in u.phones], lengths)

    write_ali_dir(folder, alignments(), tree, model, lang_folder / "phones.txt")
    return tree, model

"""Monophone models, and alignments from the lengths of phones: known ones, or equal shares to start from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nnet.formats.topology import read_topology_file
from nnet.formats.transitions import TransitionModel, transition_model
from nnet.formats.tree import ContextTree, monophone_tree
from steps.lang import Lang

NUM_STATES = 3  # HMM states of every phone in lang directories of ours


def monophone_model(lang_folder: Path, lang: Lang) -> tuple[ContextTree, TransitionModel]:
    """A tree with one pdf for every state of every phone, and the transition model for lang_folder/topo."""
    topology = read_topology_file(str(lang_folder / "topo"))
    tree = monophone_tree({p: NUM_STATES for p in lang.phones.values()})
    return tree, transition_model(tree, topology)


def state_tables(model: TransitionModel) -> tuple[dict[tuple[int, int], int], dict[tuple[int, int], int]]:
    """Transition-ids by (phone, HMM state): of leaving the state, and of its self-loop.

    Raises ValueError if a state has several of either: then phones have contexts, or states may be skipped.
    """
    ids = np.arange(1, model.num_ids + 1)
    keys = zip(model.phone_of(ids).tolist(), model.hmm_state_of(ids).tolist())
    leave: dict[tuple[int, int], int] = {}
    stay: dict[tuple[int, int], int] = {}
    for key, i, loops in zip(keys, ids.tolist(), model.is_self_loop(ids).tolist()):
        table = stay if loops else leave
        if key in table:
            raise ValueError(
                f"phone {key[0]} has several transitions of a kind in HMM state {key[1]}: only left-to-right "
                "monophone models have alignments of known lengths"
            )
        table[key] = i
    return leave, stay


def shares(total: int, parts: int) -> list[int]:
    """`total` frames shared among `parts` as evenly as can be, the longer shares last."""
    return [(total + i) // parts for i in range(parts)]


def transition_ids(model: TransitionModel, phones: Sequence[int], lengths: Sequence[int]) -> np.ndarray:
    """The transition-id of every frame, for phones of `lengths` frames each.

    The states of a phone share its frames evenly; of each state the way out comes first, then its self-loops
    (Kaldi's reordering). Raises ValueError for a phone shorter than its states.
    """
    leave, stay = state_tables(model)
    ids: list[int] = []
    for phone, length in zip(phones, lengths):
        if length < NUM_STATES:
            raise ValueError(f"{length} frames are too few for phone {phone} of {NUM_STATES} states")
        for state, frames in enumerate(shares(length, NUM_STATES)):
            ids += [leave[phone, state]] + [stay[phone, state]] * (frames - 1)
    return np.array(ids, np.int32)


def equal_alignment(
    model: TransitionModel, lang: Lang, words: Sequence[str], num_frames: int, rng: np.random.Generator
) -> np.ndarray | None:
    """Transition-ids (num_frames,) that give every state the same share, as Kaldi's align-equal does.

    Pronunciations, and whether there is silence before, between and after the words, are drawn; silence is
    left
    out where frames are too few. None if they are too few even so. Raises KeyError for an unknown word.
    """
    silence = [lang.silence]
    chosen = [lang.lexicon[w][int(rng.integers(len(lang.lexicon[w])))] for w in words]
    pauses = [silence if rng.random() < 0.5 else [] for _ in range(len(words) + 1)]
    phones = [*pauses[0], *(p for pron, pause in zip(chosen, pauses[1:]) for p in [*pron, *pause])]
    if num_frames < NUM_STATES * len(phones):
        phones = [p for pron in chosen for p in pron]
    if num_frames < NUM_STATES * len(phones):
        return None
    return transition_ids(model, [lang.phones[p] for p in phones], shares(num_frames, len(phones)))

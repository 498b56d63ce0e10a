"""Alignments from known phone times: frames to HMM states to transition-ids, in a Kaldi alignment
directory.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from egs.digits.corpus import Utterance
from nnet.files import atomic_write
from nnet.formats.basic import open_output
from nnet.formats.kinds import INT_VECTOR
from nnet.formats.topology import read_topology_file
from nnet.formats.transitions import TransitionModel, transition_model, write_transitions
from nnet.formats.tree import ContextTree, monophone_tree, write_tree
from nnet.formats.writer import KaldiOutput
from steps.lang import Lang

NUM_STATES = 3


def phone_lengths(
    starts: Sequence[int], num_frames: int, rate: int, shift_ms: float, window_ms: float
) -> list[int]:
    """Frames of every phone, from the sample at which it begins; a frame belongs to the phone at its middle.

    Every phone gets at least NUM_STATES frames, taken from its neighbours where it is shorter. Raises
    ValueError
    if there are not enough frames for that.
    """
    if num_frames < NUM_STATES * len(starts):
        raise ValueError(f"{num_frames} frames are too few for {len(starts)} phones of {NUM_STATES} states")
    middle = window_ms / 2
    edges = [round((s * 1000 / rate - middle) / shift_ms) for s in starts[1:]] + [num_frames]
    edges[:-1] = [min(max(e, 0), num_frames) for e in edges[:-1]]
    last = 0
    for i, edge in enumerate(edges):
        edges[i] = last = max(edge, last + NUM_STATES)
    limit = num_frames
    for i in range(len(edges) - 1, -1, -1):
        edges[i] = min(edges[i], limit)
        limit = edges[i] - NUM_STATES
    return [b - a for a, b in zip([0, *edges], edges)]


def state_lengths(length: int) -> list[int]:
    """`length` frames shared among the states of a phone as evenly as can be."""
    return [(length + i) // NUM_STATES for i in range(NUM_STATES)]


def transition_ids(model: TransitionModel, phones: Sequence[int], lengths: Sequence[int]) -> np.ndarray:
    """The transition-id of every frame: for each state the way out first, then its self-loops (Kaldi's
    reordering).
    """
    leave, stay = state_tables(model)
    ids: list[int] = []
    for phone, length in zip(phones, lengths):
        for state, frames in enumerate(state_lengths(length)):
            ids += [leave[phone, state]] + [stay[phone, state]] * (frames - 1)
    return np.array(ids, np.int32)


def state_tables(model: TransitionModel) -> tuple[dict[tuple[int, int], int], dict[tuple[int, int], int]]:
    """Transition-ids by (phone, HMM state): of leaving the state, and of its self-loop."""
    ids = np.arange(1, model.num_ids + 1)
    keys = list(zip(model.phone_of(ids).tolist(), model.hmm_state_of(ids).tolist()))
    loops = model.is_self_loop(ids)
    leave = {k: int(i) for k, i, loop in zip(keys, ids, loops) if not loop}
    stay = {k: int(i) for k, i, loop in zip(keys, ids, loops) if loop}
    return leave, stay


def monophone_model(lang_folder: Path, lang: Lang) -> tuple[ContextTree, TransitionModel]:
    """A tree with one pdf for every state of every phone, and the transition model of it."""
    topology = read_topology_file(str(lang_folder / "topo"))
    tree = monophone_tree({p: NUM_STATES for p in lang.phones.values()})
    return tree, transition_model(tree, topology)


def write_alignments(
    folder: Path,
    corpus: Sequence[Utterance],
    num_frames: dict[str, int],
    rate: int,
    lang: Lang,
    lang_folder: Path,
) -> TransitionModel:
    """Write a Kaldi alignment directory for `corpus`: ali.1.gz, final.mdl, tree, num_jobs, phones.txt,
    cmvn_opts.
    """
    tree, model = monophone_model(lang_folder, lang)
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    for u in corpus:
        starts = [start for _, start in u.phones]
        lengths = phone_lengths(starts, num_frames[u.key], rate, 10.0, 25.0)
        ids = transition_ids(model, [lang.phones[p] for p, _ in u.phones], lengths)
        buffer.write(u.key.encode() + b" \0B")
        INT_VECTOR.write(KaldiOutput(buffer, True), ids)
    with atomic_write(folder / "ali.1.gz") as stream:
        stream.write(gzip.compress(buffer.getvalue(), 6, mtime=0))
    with open_output(str(folder / "final.mdl")) as out:
        write_transitions(out, model)
    write_tree(tree, str(folder / "tree"))
    for name, text in (
        ("num_jobs", "1\n"),
        ("cmvn_opts", "\n"),
        ("phones.txt", (lang_folder / "phones.txt").read_text()),
    ):
        (folder / name).write_text(text)
    return model

"""Supervision FSTs as steps of time: which arcs of which sequence may be taken at each frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnet.fst.arrays import Fst, side_by_side
from nnet.supervision import Supervision

SLACK = 1e-3  # by how much costs of arcs that Kaldi added to a common cost may miss it


@dataclass(frozen=True)
class Step:
    """Arcs of all sequences at one frame, sorted by target: from places `source` to places `target`.

    `cell` is n * D + pdf of an arc of sequence n, `weight` its log probability; `size` the number of places
    after the step.
    """

    source: np.ndarray
    target: np.ndarray
    cell: np.ndarray
    weight: np.ndarray
    size: int


@dataclass(frozen=True)
class Trellis:
    """All sequences of a supervision side by side: steps from `initial` to `final` log probabilities.

    `frames`: the frame of each step. `owner`: the sequence of each place after the last step.
    """

    initial: np.ndarray
    final: np.ndarray
    owner: np.ndarray
    steps: list[Step]
    frames: np.ndarray


def make_trellis(s: Supervision) -> Trellis:
    """The steps of a supervision. Raises ValueError if its FSTs are not what they should be."""
    for fst in s.fsts:
        if fst.num_arcs and not 1 <= fst.ilabels.min() <= fst.ilabels.max() <= s.label_dim:
            wrong = fst.ilabels.max() if fst.ilabels.min() > 0 else fst.ilabels.min()
            raise ValueError(f"supervision has the label {wrong}, where 1 to {s.label_dim} are expected")
    return _cyclic(s) if s.end_to_end else _layered(s)


def _step(source: np.ndarray, target: np.ndarray, cell: np.ndarray, weight: np.ndarray, size: int) -> Step:
    order = np.argsort(target, kind="stable")
    return Step(source[order], target[order], cell[order], weight[order], size)


def _cyclic(s: Supervision) -> Trellis:
    """Every arc may be taken at every frame: the same step, again and again."""
    first = np.cumsum([0] + [f.num_states for f in s.fsts])
    parts = list(enumerate(s.fsts))
    step = _step(
        np.concatenate([f.sources + first[n] for n, f in parts]),
        np.concatenate([f.targets + first[n] for n, f in parts]),
        np.concatenate([f.ilabels.astype(np.int64) - 1 + n * s.label_dim for n, f in parts]),
        np.concatenate([-f.weights.astype(np.float64) for _, f in parts]),
        int(first[-1]),
    )
    initial = np.full(first[-1], -np.inf)
    initial[[first[n] + f.start for n, f in parts if f.start >= 0]] = 0.0
    final = -np.concatenate([f.finals.astype(np.float64) for f in s.fsts])
    owner = np.repeat(np.arange(len(s.fsts)), np.diff(first))
    frames = np.arange(s.frames_per_sequence)
    return Trellis(initial, final, owner, [step] * len(frames), frames)


def _layered(s: Supervision) -> Trellis:
    """States have a time each; sequences stand one after the other and are cut apart where that is exact."""
    if len(s.fsts) > 1:
        return _apart(s)
    fst, T = s.fsts[0], s.frames_per_sequence
    time = state_times(fst, s.num_frames)
    keep = np.ones(fst.num_arcs, bool)
    initial, final = np.full(fst.num_states, -np.inf), -fst.finals.astype(np.float64)
    initial[fst.start] = 0.0
    for n in range(1, s.num_sequences):
        states = np.flatnonzero(time == n * T)
        factors = _common_factors(fst, states)
        if factors is None:  # as one long sequence
            initial[:], initial[fst.start], final = -np.inf, 0.0, -fst.finals.astype(np.float64)
            return _steps(s, fst, time, s.num_frames, initial, final, np.ones(fst.num_arcs, bool))
        initial[states[0]] = 0.0
        final[states] = factors
        for other in states[1:]:
            keep[fst.indptr[other] : fst.indptr[other + 1]] = False
    return _steps(s, fst, time, T, initial, final, keep)


def _apart(s: Supervision) -> Trellis:
    """The same for sequences with an FST each: no state belongs to two of them."""
    T, fst = s.frames_per_sequence, side_by_side(s.fsts)
    time = np.concatenate([state_times(f, T) + n * T for n, f in enumerate(s.fsts)])
    first = np.cumsum([0] + [f.num_states for f in s.fsts[:-1]])
    initial = np.full(fst.num_states, -np.inf)
    initial[first + [f.start for f in s.fsts]] = 0.0
    return _steps(s, fst, time, T, initial, -fst.finals.astype(np.float64), np.ones(fst.num_arcs, bool))


def _common_factors(fst: Fst, states: np.ndarray) -> np.ndarray | None:
    """Log factors f: the arcs of states[i] are those of states[0] times exp(f[i]); None if that is not so.

    So it is where sequences were joined: each end of one got the arcs of the start of the next, times the
    probability of ending there.
    """
    first = slice(fst.indptr[states[0]], fst.indptr[states[0] + 1])
    factors = np.zeros(len(states))
    for i, state in enumerate(states):
        arcs = slice(fst.indptr[state], fst.indptr[state + 1])
        same_labels = np.array_equal(fst.ilabels[arcs], fst.ilabels[first])
        if not (same_labels and np.array_equal(fst.targets[arcs], fst.targets[first])):
            return None
        difference = fst.weights[first].astype(np.float64) - fst.weights[arcs]
        factors[i] = difference.mean() if len(difference) else 0.0
        if len(difference) and np.abs(difference - factors[i]).max() > SLACK:
            return None
    return factors


def _steps(
    s: Supervision,
    fst: Fst,
    time: np.ndarray,
    length: int,
    initial: np.ndarray,
    final: np.ndarray,
    keep: np.ndarray,
) -> Trellis:
    """Sequences of `length` steps. A state where one ends and the next starts has a place in either."""
    T = s.frames_per_sequence
    starting, ending = time % length, (time - 1) % length + 1
    before, _ = _ranks(starting)
    after, sizes = _ranks(np.where(time > 0, ending, 0))
    arcs = np.flatnonzero(keep)
    source, target = fst.sources[arcs], fst.targets[arcs]
    cell = fst.ilabels[arcs].astype(np.int64) - 1 + time[source] // T * s.label_dim
    weight = -fst.weights[arcs].astype(np.float64)
    by_step = np.argsort(starting[source], kind="stable")
    counts = np.bincount(starting[source], minlength=length)
    steps = [
        _step(before[source[i]], after[target[i]], cell[i], weight[i], int(sizes[k + 1]))
        for k, i in enumerate(np.split(by_step, np.cumsum(counts)[:-1]))
    ]
    start, end = np.flatnonzero(starting == 0), np.flatnonzero((ending == length) & (time > 0))
    owner = np.empty(len(end), np.int64)
    owner[after[end]] = (time[end] - 1) // length
    return Trellis(
        _at(before[start], initial[start]), _at(after[end], final[end]), owner, steps, np.arange(length) % T
    )


def _ranks(layer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of each state within its layer, and the number of states of each layer."""
    sizes = np.bincount(layer, minlength=int(layer.max()) + 2)
    order = np.argsort(layer, kind="stable")
    rank = np.empty(len(layer), np.int64)
    rank[order] = np.arange(len(layer)) - (np.cumsum(sizes) - sizes)[layer[order]]
    return rank, sizes


def _at(place: np.ndarray, value: np.ndarray) -> np.ndarray:
    out = np.empty(len(value))
    out[place] = value
    return out


def state_times(fst: Fst, num_frames: int) -> np.ndarray:
    """(S,) the number of arcs on every path to each state.

    Raises ValueError unless all paths to a state have one length and all ends are at `num_frames`.
    """
    parent = np.full(fst.num_states, -1)
    parent[fst.targets[::-1]] = fst.sources[::-1]
    if fst.start < 0 or (parent[np.arange(fst.num_states) != fst.start] < 0).any():
        raise ValueError("a supervision FST has no start or a state that no arc enters")
    parent[fst.start] = fst.start
    time = (np.arange(fst.num_states) != fst.start).astype(np.int64)
    for _ in range(max(num_frames, 1).bit_length()):
        time, parent = time + time[parent], parent[parent]
    final = np.isfinite(fst.finals)
    even = (parent == fst.start).all() and (time[fst.targets] == time[fst.sources] + 1).all()
    if not even or not final.any() or (time[final] != num_frames).any() or time.max() > num_frames:
        raise ValueError(
            f"a supervision FST does not have all its paths {num_frames} arcs long: "
            "does it hold these sequences of frames?"
        )
    return time

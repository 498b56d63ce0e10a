"""Alignments as phones with lengths, and alignments of one model turned into those of another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nnet.formats.topology import NO_PDF, HmmState
from nnet.formats.transitions import TransitionModel
from nnet.formats.tree import ContextTree

Window = tuple[int, ...]


@dataclass(frozen=True)
class Segment:
    """A phone of an alignment and its transition-ids."""

    phone: int
    ids: np.ndarray

    @property
    def length(self) -> int:
        """Frames."""
        return len(self.ids)


def split_to_phones(model: TransitionModel, ids: np.ndarray) -> list[Segment]:
    """The phones of an alignment whose self-loops come after the way out of their state, as Kaldi's do.

    Raises ValueError if it does not end with the end of a phone (SplitToPhones).
    """
    if not len(ids):
        return []
    final, loop = model.is_final(ids), model.is_self_loop(ids)
    state = model.state_of(ids)
    ended = final.copy()
    for t in range(1, len(ids)):  # loops after the end belong to the phone that ended
        ended[t] |= bool(loop[t] and ended[t - 1] and state[t] == state[t - 1])
    last = np.append(ended[:-1] & ~(ended[1:] & loop[1:]), True)
    ends = np.flatnonzero(last) + 1
    if not ended[-1]:
        raise ValueError("the alignment ends in the middle of a phone")
    parts = np.split(ids, ends[:-1])
    segments = [Segment(int(model.phone_of(part[0])), part) for part in parts]
    for segment in segments:
        if (model.phone_of(segment.ids) != segment.phone).any():
            raise ValueError("the alignment changes its phone before the phone has ended")
    return segments


def windows(phones: Sequence[int], width: int, central: int) -> Iterator[Window]:
    """The window around each phone; 0 beyond the ends."""
    padded = [0] * central + list(phones) + [0] * (width - 1 - central)
    return (tuple(padded[i : i + width]) for i in range(len(phones)))


def pdf_classes(model: TransitionModel, ids: np.ndarray) -> np.ndarray:
    """The pdf class of every transition-id (TransitionIdToPdfClass)."""
    states = [model.topology.states(p)[j] for p, j in zip(model.phone_of(ids), model.hmm_state_of(ids))]
    loops = model.is_self_loop(ids)
    return np.array([s.self_loop_class if loop else s.forward_class for s, loop in zip(states, loops)])


@dataclass
class Converter:
    """Turns alignments of `old` into alignments of `new` with the tree `tree` (Kaldi's convert-ali).

    Phones keep their time, divided by `subsampling`, or times
    `repetition`. Where topology and length of a phone are the same, its
    states keep theirs too; else its states get equal shares (Kaldi: random ones).
    """

    old: TransitionModel
    new: TransitionModel
    tree: ContextTree
    subsampling: int = 1
    repetition: int = 1

    def __post_init__(self) -> None:
        self._number = {tuple(row): k for k, row in enumerate(self.new.tuples.tolist())}

    def convert(
        self, ids: np.ndarray, shift: int | None = None, num_frames: int | None = None
    ) -> np.ndarray | None:
        """Transition-ids of `new`, (T + shift) // subsampling of them; None if phones find no room.

        `shift`: 0 to subsampling - 1, which is the default and rounds up. `num_frames`: how many there are to
        be with `repetition`, the last phone being cut or drawn out. Raises ValueError for a bad alignment.
        """
        shift = self.subsampling - 1 if shift is None else shift
        segments = split_to_phones(self.old, ids)
        phones = [s.phone for s in segments]
        least = [len(shortest_path(self.new.topology.states(p))) for p in phones]
        ends = np.cumsum([0, *(s.length for s in segments)]) * self.repetition
        if num_frames is not None:
            ends = np.append(np.minimum(ends[:-1], num_frames), num_frames)
        lengths = balanced(np.diff((ends + shift) // self.subsampling).tolist(), least)
        if lengths is None:
            return None
        found = windows(phones, self.tree.width, self.tree.central)
        parts = [self._phone(s, n, w) for s, n, w in zip(segments, lengths, found)]
        return np.concatenate(parts).astype(np.int32) if parts else np.zeros(0, np.int32)

    def repeated(self, ids: np.ndarray) -> np.ndarray | None:
        """As many transition-ids as before: the alignments of all shifts, interleaved (--repeat-frames)."""
        shifted = [self.convert(ids, shift) for shift in range(self.subsampling - 1, -1, -1)]
        out = np.zeros(len(ids), np.int32)
        for k, part in enumerate(shifted):
            if part is None:
                return None
            out[k :: self.subsampling] = part
        return out

    def _phone(self, segment: Segment, length: int, window: Window) -> np.ndarray:
        states = self.new.topology.states(segment.phone)
        same = self.old.topology.states(segment.phone) == states
        if same and segment.length == length:
            number = self.old.state_of(segment.ids).tolist()
            which = [i - self.old.ids_of_state(s)[0] for i, s in zip(segment.ids.tolist(), number)]
            steps = list(zip(self.old.hmm_state_of(segment.ids).tolist(), which))
        else:
            steps = evenly(states, length)
        return np.array([self._id(segment.phone, window, states, j, k) for j, k in steps], np.int32)

    def _id(self, phone: int, window: Window, states: Sequence[HmmState], j: int, k: int) -> int:
        state = states[j]
        forward = self.tree.pdf(window, state.forward_class)
        stay = NO_PDF if state.self_loop_class == NO_PDF else self.tree.pdf(window, state.self_loop_class)
        number = self._number.get((phone, j, forward, stay))
        if number is None:
            raise ValueError(
                f"the tree gives state {j} of phone {phone} the pdfs {forward} and {stay}, which the "
                "transition model does not know: do they belong together?"
            )
        return self.new.ids_of_state(number)[k]


def balanced(lengths: Sequence[int], least: Sequence[int]) -> list[int] | None:
    """Lengths of phones, none below its `least`, for which neighbours give frames; None if they cannot
    (ComputeNewPhoneLengths).
    """
    new = list(lengths)
    while (i := next((i for i, n in enumerate(new) if n < least[i]), -1)) >= 0:
        before = next((j for j in range(i - 1, -1, -1) if new[j] > least[j]), -1)
        after = next((j for j in range(i + 1, len(new)) if new[j] > least[j]), -1)
        if before < 0 and after < 0:
            return None
        nearer = before if after < 0 else after
        if before >= 0 and after >= 0:
            nearer = before if sum(new[before + 1 : i]) <= sum(new[i + 1 : after]) else after
        new[i] += 1
        new[nearer] -= 1
    return new


def shortest_path(states: Sequence[HmmState]) -> list[tuple[int, int]]:
    """(state, number of its transition) on a shortest way through an HMM. Raises ValueError if silent."""
    came: dict[int, tuple[int, int]] = {}
    queue = [0]
    for j in queue:
        if states[j].forward_class == NO_PDF and j != len(states) - 1:
            raise ValueError("HMM states that emit nothing are not supported in alignments")
        for k, (target, _) in enumerate(states[j].transitions):
            if target != j and target not in came and target != 0:
                came[target] = j, k
                queue.append(target)
    path, at = [], len(states) - 1
    while at != 0:
        path.append(came[at])
        at = came[at][0]
    return path[::-1]


def evenly(states: Sequence[HmmState], length: int) -> list[tuple[int, int]]:
    """(state, number of its transition) of `length` frames: a shortest way, states that can stay sharing the
    rest, later ones more.
    """
    path = shortest_path(states)
    loops = [
        next((k for k, (target, _) in enumerate(states[j].transitions) if target == j), -1) for j, _ in path
    ]
    can_stay, extra = [i for i, k in enumerate(loops) if k >= 0], length - len(path)
    if extra < 0 or (extra and not can_stay):
        raise ValueError(f"an HMM cannot take {length} frames")
    stays = dict(zip(can_stay, ((extra + i) // len(can_stay) for i in range(len(can_stay)))))
    return [step for i, (j, k) in enumerate(path) for step in [(j, k), *[(j, loops[i])] * stays.get(i, 0)]]

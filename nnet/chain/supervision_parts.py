"""Parts of supervision for chunks of an utterance, and the denominator's costs on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnet.fst.arrays import Arc, Fst, Lists
from nnet.fst.compose import Match, compose, composed
from nnet.fst.determinize import determinized
from nnet.fst.epsilons import remove_epsilons, without_epsilons
from nnet.fst.minimize import minimized_pushed
from nnet.fst.order import numbered_breadth_first
from nnet.fst.unweighted import is_unweighted_and_sorted, smallest
from nnet.supervision import Supervision

MAX_STATES = 200000  # of the supervision of a chunk; more are given up, as in Kaldi


class SupervisionSplitter:
    """Cuts the supervision of an utterance, one sequence with states sorted by time (SupervisionSplitter).

    Raises ValueError if it is end to end, has several sequences or states without one time.
    """

    def __init__(self, supervision: Supervision):
        if supervision.end_to_end or supervision.num_sequences != 1:
            raise ValueError("only the supervision of one utterance with times can be cut")
        self.supervision = supervision
        self.arcs = supervision.fsts[0].lists()
        self.time = np.array(fst_state_times(supervision.fsts[0], supervision.num_frames))

    def part(self, first: int, frames: int) -> Supervision:
        """Frames first ... first + frames - 1; an epsilon leads from the start to every state of the first.

        Raises ValueError if they are not all there.
        """
        have = self.supervision.num_frames
        if frames < 1 or first < 0 or first + frames > have:
            raise ValueError(f"frames {first} to {first + frames - 1} of supervision that has {have}")
        begin, end = np.searchsorted(self.time, [first, first + frames]).tolist()
        last = end - begin + 1
        rows: list[list[Arc]] = [[]]
        for s in range(begin, end):
            if self.time[s] == first:
                rows[0].append((0, 0, 0.0, s - begin + 1))
            rows.append([(i, o, w, last if t >= end else t - begin + 1) for i, o, w, t in self.arcs[s]])
        fst = Fst.from_lists([*rows, []], [np.inf] * last + [0.0])
        return replace(self.supervision, frames_per_sequence=frames, fsts=(fst,))


def fst_state_times(fst: Fst, frames: int) -> list[int]:
    """The frame of each state of an acceptor, rising with their numbers (ComputeFstStateTimes).

    Raises ValueError if there are other states, epsilons, or paths that do not have `frames` arcs.
    """
    time = [-1] * fst.num_states
    if fst.start != 0 or (fst.ilabels == 0).any():
        raise ValueError("supervision that does not start with state 0, or has epsilons")
    time[0] = 0
    for s, row in enumerate(fst.lists()):
        for _, _, _, t in row:
            if time[s] < 0 or time[t] not in (-1, time[s] + 1):
                raise ValueError("supervision has a state that lies at several frames, or at none")
            time[t] = time[s] + 1
    lengths = {time[s] for s in np.flatnonzero(np.isfinite(fst.finals)).tolist()}
    if lengths != {frames} or time != sorted(time):
        raise ValueError(
            f"supervision for {frames} frames has paths of {sorted(lengths)} frames, or states out of order"
        )
    return time


def add_normalization(
    normalization: Fst, supervision: Supervision, match: Match = "second"
) -> Supervision | None:
    """`supervision` with the costs of the denominator, and as small as possible (AddWeightToSupervisionFst).

    None if no path is left: the denominator cannot say it. End-to-end supervision stays as large as it is.
    Raises ValueError if there are more than MAX_STATES states.
    """
    if supervision.end_to_end:
        fsts = [compose(remove_epsilons(f), normalization, match) for f in supervision.fsts]
        return None if any(f.start < 0 for f in fsts) else replace(supervision, fsts=tuple(fsts))
    both = composed(_small(supervision.fsts[0].as_lists()), normalization, match)
    if both.start < 0:
        return None
    least = numbered_breadth_first(minimized_pushed(determinized(both, False, MAX_STATES)))
    return replace(supervision, fsts=(Fst.from_lists(*least),))


def _small(fst: Lists) -> Lists:
    """A deterministic acceptor as small as possible. Composition looks at the order of its arcs, which is
    that of labels where nothing costs anything, not at its numbers of states.
    """
    if fst.start >= 0 and is_unweighted_and_sorted(fst):
        return smallest(fst, MAX_STATES)
    return minimized_pushed(determinized(without_epsilons(fst), True, MAX_STATES))

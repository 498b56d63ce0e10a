"""The numerator of LF-MMI for an utterance: which pdfs its frames may have, from phones and their times."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nnet.chain.hmm_graph import phones_to_transition_ids
from nnet.formats.transitions import TransitionModel
from nnet.formats.tree import ContextTree
from nnet.fst.arrays import Arc, Fst
from nnet.fst.determinize import DELTA
from nnet.fst.epsilons import remove_epsilons
from nnet.fst.lattice import ZERO, Lattice, state_times
from nnet.fst.order import breadth_first, connect
from nnet.fst.push import push_to_start
from nnet.supervision import Supervision

INF = float("inf")


@dataclass(frozen=True, kw_only=True)
class SupervisionOptions:
    """How far phones may move from their times, and the rate of frames (Kaldi's chain::SupervisionOptions).

    Tolerances count frames of the alignment, before subsampling. `lm_scale`: of the graph costs of a phone
    lattice. `weight` is accepted and, as in Kaldi, has no effect: supervision has the weight 1.
    """

    left_tolerance: int = 5
    right_tolerance: int = 5
    frame_subsampling_factor: int = 1
    weight: float = 1.0
    lm_scale: float = 0.0
    convert_to_pdfs: bool = True

    def __post_init__(self) -> None:
        left, right, factor = self.left_tolerance, self.right_tolerance, self.frame_subsampling_factor
        if left < 0 or right < 0 or factor < 1:
            raise ValueError(f"tolerances {left} and {right} and subsampling factor {factor} make no sense")
        if left + right + 1 < factor:
            raise ValueError(
                f"tolerances {left} and {right} are too small for subsampling factor {factor}: "
                f"left + right + 1 must be at least as large"
            )
        if not 0 <= self.lm_scale < 1:
            raise ValueError(f"--lm-scale={self.lm_scale} is not in [0, 1)")


@dataclass(frozen=True)
class ProtoSupervision:
    """Phone sequences, an acceptor, and the phones that each (subsampled) frame may have."""

    phones: Fst
    allowed: list[frozenset[int]]


def proto_from_alignment(
    phones: Sequence[int], durations: Sequence[int], options: SupervisionOptions
) -> ProtoSupervision:
    """One sequence of phones with durations in frames (AlignmentToProtoSupervision).

    Raises ValueError if there are no phones, or one that is not positive or lasts no frame.
    """
    if not len(phones) or len(phones) != len(durations):
        raise ValueError(f"an alignment of {len(phones)} phones with {len(durations)} durations")
    if min(phones) < 1 or min(durations) < 1:
        raise ValueError("an alignment has a phone or a duration that is not positive")
    ends = np.cumsum(durations).tolist()
    starts = [0, *ends[:-1]]
    allowed = _allowed(zip(phones, starts, ends), ends[-1], options)
    return ProtoSupervision(Fst.linear(phones), allowed)


def proto_from_lattice(lattice: Lattice, options: SupervisionOptions) -> ProtoSupervision:
    """A compact lattice whose arcs are phones (PhoneLatticeToProtoSupervision).

    Raises ValueError if it has no path, epsilons, states without one time, or ends at several times.
    """
    if lattice.start < 0 or not any(w != ZERO for w in lattice.finals):
        raise ValueError("the lattice has no path")
    times, length = state_times(lattice)
    spans = []
    for s, row in enumerate(lattice.arcs):
        for phone, _, weight, _ in row:
            if phone == 0:
                raise ValueError("the lattice has an epsilon arc; is it phone-aligned?")
            spans.append((phone, times[s], times[s] + len(weight.ids)))
        if lattice.finals[s] != ZERO and times[s] != length:
            raise ValueError(
                f"the lattice ends at frame {times[s]} in state {s}, but has {length} frames; "
                "is it phone-aligned?"
            )
    rows = [[(p, p, w.graph * options.lm_scale, t) for p, _, w, t in row] for row in lattice.arcs]
    finals = [INF if w == ZERO else w.graph * options.lm_scale for w in lattice.finals]
    fst = Fst.from_lists(rows, finals, lattice.start)
    if options.lm_scale:
        fst = push_to_start(fst, keep_total=False, delta=DELTA)
    return ProtoSupervision(fst, _allowed(spans, length, options))


def _allowed(
    spans: Iterable[tuple[int, int, int]], length: int, options: SupervisionOptions
) -> list[frozenset[int]]:
    """The phones of each subsampled frame, from (phone, first frame, frame after the last)."""
    factor = options.frame_subsampling_factor
    frames: list[set[int]] = [set() for _ in range(-(-length // factor))]
    for phone, start, end in spans:
        first = -(-max(0, start - options.left_tolerance) // factor)
        last = -(-min(length, end + options.right_tolerance) // factor)
        for t in range(first, last):
            frames[t].add(phone)
    return [frozenset(f) for f in frames]


def make_supervision(
    proto: ProtoSupervision, tree: ContextTree, transitions: TransitionModel, convert_to_pdfs: bool = True
) -> Supervision | None:
    """Sequences of pdf + 1 (or transition-ids), one frame after the other (ProtoSupervisionToSupervision).

    None if there is none: too many phones for the frames. Raises ValueError if tree, transition model and
    phones do not fit together.
    """
    if not proto.allowed:
        return None
    fst = phones_to_transition_ids(proto.phones, tree, transitions, with_probabilities=False)
    if (fst.ilabels == 0).any():
        fst = remove_epsilons(fst)
    timed = connect(_in_time(fst, proto.allowed, transitions, convert_to_pdfs)) if fst.start >= 0 else fst
    if timed.start < 0:
        return None
    labels = transitions.num_pdfs if convert_to_pdfs else transitions.num_ids
    return Supervision(1.0, 1, len(proto.allowed), labels, False, (breadth_first(timed),))


def _in_time(
    fst: Fst, allowed: list[frozenset[int]], transitions: TransitionModel, convert_to_pdfs: bool
) -> Fst:
    """`fst` with a frame for each arc, on which the phone must be allowed (TimeEnforcerFst)."""
    ids = np.arange(1, transitions.num_ids + 1)
    phone = [0, *transitions.phone_of(ids).tolist()]
    label = [0, *((transitions.pdf_of(ids) + 1) if convert_to_pdfs else ids).tolist()]
    arcs, costs = fst.lists(), fst.finals.tolist()
    number = {(fst.start, 0): 0}
    queue = deque(number)
    rows: list[list[Arc]] = []
    finals: list[float] = []
    while queue:
        s, t = queue.popleft()
        finals.append(costs[s] if t == len(allowed) else INF)
        row: list[Arc] = []
        for i, _, w, target in arcs[s] if t < len(allowed) else ():
            if phone[i] in allowed[t]:
                state = (target, t + 1)
                if state not in number:
                    number[state] = len(number)
                    queue.append(state)
                row.append((label[i], label[i], w, number[state]))
        rows.append(row)
    return Fst.from_lists(rows, finals)

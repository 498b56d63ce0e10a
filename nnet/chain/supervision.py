"""The numerator of LF-MMI for an utterance: which pdfs its frames may have, from phones and their times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from nnet.chain.hmm_graph import phones_to_transition_ids
from nnet.formats.transitions import TransitionModel
from nnet.formats.tree import ContextTree
from nnet.fst.arrays import Arc, Fst, Lists
from nnet.fst.determinize import DELTA
from nnet.fst.epsilons import remove_epsilons
from nnet.fst.lattice import ZERO, Lattice, state_times
from nnet.fst.order import connected, numbered_breadth_first
from nnet.fst.push import push_to_start
from nnet.supervision import Supervision

INF = float("inf")
REMEMBERED = 256  # expanded phone sequences that are kept


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


class SupervisionMaker:
    """Makes supervision for a tree and a transition model that belong together."""

    def __init__(self, tree: ContextTree, transitions: TransitionModel, convert_to_pdfs: bool = True):
        self.tree, self.transitions = tree, transitions
        ids = np.arange(1, transitions.num_ids + 1)
        self._phone = [0, *transitions.phone_of(ids).tolist()]
        self._label = [0, *((transitions.pdf_of(ids) + 1) if convert_to_pdfs else ids).tolist()]
        self._num_labels = transitions.num_pdfs if convert_to_pdfs else transitions.num_ids
        self._expand = lru_cache(maxsize=REMEMBERED)(self._expanded)

    def make(self, proto: ProtoSupervision) -> Supervision | None:
        """Sequences of pdf + 1 (or transition-ids), one frame after the other
        (ProtoSupervisionToSupervision).

        None if there is none: too many phones for the frames. Raises ValueError if tree, transition model
        and phones do not fit together.
        """
        if not proto.allowed:
            return None
        timed = connected(self._in_time(self._expand(Said(proto.phones)), proto.allowed))
        if timed.start < 0:
            return None
        fst = Fst.from_lists(*numbered_breadth_first(timed))
        return Supervision(1.0, 1, len(proto.allowed), self._num_labels, False, (fst,))

    def _expanded(self, said: Said) -> Lists:
        """Sequences of phones as sequences of transition-ids."""
        fst = phones_to_transition_ids(said.phones, self.tree, self.transitions, with_probabilities=False)
        return (remove_epsilons(fst) if (fst.ilabels == 0).any() else fst).as_lists()

    def _in_time(self, fst: Lists, allowed: list[frozenset[int]]) -> Lists:
        """`fst` with a frame for each arc, on which the phone must be allowed (TimeEnforcerFst)."""
        arcs, costs, start = fst
        if start < 0:
            return fst
        phone, label = self._phone, self._label
        number = {(start, 0): 0}
        states = list(number)
        rows: list[list[Arc]] = []
        finals: list[float] = []
        for s, t in states:  # also over states that are met meanwhile
            finals.append(costs[s] if t == len(allowed) else INF)
            row: list[Arc] = []
            for i, _, w, target in arcs[s] if t < len(allowed) else ():
                if phone[i] in allowed[t]:
                    state = (target, t + 1)
                    k = number.setdefault(state, len(states))
                    if k == len(states):
                        states.append(state)
                    row.append((label[i], label[i], w, k))
            rows.append(row)
        return Lists(rows, finals)


class Said:
    """Phone sequences, equal where all states and arcs are: the same words need not be expanded again."""

    def __init__(self, phones: Fst):
        self.phones = phones
        columns = phones.finals, phones.indptr, phones.ilabels, phones.weights, phones.targets
        self.key = (phones.start, *(c.tobytes() for c in columns))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Said) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

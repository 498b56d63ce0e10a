"""The phone language model of LF-MMI: n-grams without backoff arcs, states merged until few are left."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from nnet.fst import properties as p
from nnet.fst.arrays import Fst

PHASES = 4  # in which states are merged; the order is worked out anew at the start of each
BOUNDARY = 0  # the phone before the first and after the last
STALE = 1e-3  # relative change of a loss from which on it counts as outdated
_LABELS = p.ACCEPTOR | p.EPSILONS | p.I_EPSILONS | p.O_EPSILONS | p.I_SORTED | p.O_SORTED
KNOWN = 3 * (_LABELS | p.ACCESSIBLE | p.COACCESSIBLE)  # what Kaldi's file says about the FST

History = tuple[int, ...]


@dataclass(frozen=True)
class PhoneLmOptions:
    """`ngram_order`; states for histories shorter than `no_prune_ngram_order` phones are never merged
    away; beyond those for one phone less, `num_extra_lm_states` are kept.
    """

    ngram_order: int = 4
    num_extra_lm_states: int = 1000
    no_prune_ngram_order: int = 3

    def __post_init__(self) -> None:
        if not 1 <= self.no_prune_ngram_order <= self.ngram_order or self.ngram_order < 2:
            raise ValueError(
                f"--ngram-order={self.ngram_order} must be at least 2 and not below "
                f"--no-prune-ngram-order={self.no_prune_ngram_order}, which must be at least 1"
            )


@dataclass
class State:
    """A history: the counts of phones after it, and with those of all histories that end in it."""

    history: History
    backoff: int = -1
    counts: Counter[int] = field(default_factory=Counter)
    total_with_parents: int = 0

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def log_likelihood(counts: Counter[int]) -> np.float32:
    """Of the phones counted, under their relative frequencies; in single precision, as in Kaldi."""
    total = sum(counts.values())
    return np.float32(sum(n * math.log(n / total) for _, n in sorted(counts.items())))


class PhoneLm:
    """Estimates a phone language model (Kaldi's LanguageModelEstimator)."""

    def __init__(self, options: PhoneLmOptions, log: Callable[[str], None] = lambda line: None):
        self.options, self.log = options, log
        self.states: list[State] = []
        self.number: dict[History, int] = {}
        self.active = 0

    def add(self, phones: Sequence[int]) -> None:
        """Count one utterance. Raises ValueError for the phone 0."""
        history: History = (BOUNDARY,)
        for phone in phones:
            if phone <= 0:
                raise ValueError(f"a phone sequence contains {phone}; phones are numbered from 1")
            self._count(history, int(phone))
            history = (*history, int(phone))[-(self.options.ngram_order - 1) :]
        self._count(history, BOUNDARY)

    def _count(self, history: History, phone: int) -> None:
        state = self.states[self._state(history)]
        self.active += not state.counts
        state.counts[phone] += 1

    def _state(self, history: History) -> int:
        if history not in self.number:
            self.number[history] = len(self.states)
            self.states.append(State(history))
            if len(history) >= self.options.no_prune_ngram_order:
                self.states[self.number[history]].backoff = self._state(history[1:])
        return self.number[history]

    def estimate(self) -> Fst:
        """The model as an epsilon-free deterministic acceptor. Raises ValueError if nothing was counted."""
        if not self.states:
            raise ValueError("no phone sequences to estimate a language model from")
        o = self.options
        self.log(
            f"Estimating language model with --no-prune-ngram-order={o.no_prune_ngram_order}, "
            f"--ngram-order={o.ngram_order}, --num-extra-lm-states={o.num_extra_lm_states}"
        )
        for state in self.states:
            at: State | None = state
            while at is not None:
                at.total_with_parents += state.total
                at = self.states[at.backoff] if at.backoff >= 0 else None
        basic = sum(len(s.history) == o.no_prune_ngram_order - 1 for s in self.states)
        self._merge(basic)
        return self._fst()

    def _merge(self, basic: int) -> None:
        first, goal = self.active, basic + self.options.num_extra_lm_states
        for phase in range(1, PHASES + 1):
            target = first + int((goal - first) * phase / PHASES)
            queue: list[tuple[float, int]] = [
                (-self._loss(k), -k) for k in range(len(self.states)) if self._may_merge(k)
            ]
            heapq.heapify(queue)
            while self.active > target and queue:
                loss, number = heapq.heappop(queue)
                known, k = -loss, -number
                now = self._loss(k)
                if abs(known - now) > STALE * (abs(known) + abs(now)):
                    heapq.heappush(queue, (-now, -k))
                else:
                    self._back_off(k, queue)
        self.log(
            f"In LM [hard] backoff, target num states was {basic} + --num-extra-lm-states="
            f"{self.options.num_extra_lm_states} = {goal}, pruned from {first} to {self.active}"
        )

    def _may_merge(self, k: int) -> bool:
        """Whether a state can go: no longer history ends in it, and no state reached from it needs it."""
        s = self.states[k]
        if len(s.history) < self.options.no_prune_ngram_order or not s.counts:
            return False
        if s.total != s.total_with_parents:
            return False
        if len(s.history) == self.options.ngram_order - 1:
            return True
        following = (self.number.get((*s.history, phone), -1) for phone in s.counts if phone != BOUNDARY)
        return not any(n >= 0 and self.states[n].total_with_parents for n in following)

    def _loss(self, k: int) -> float:
        """Change of the log-likelihood if state k is merged into the one for its shorter history."""
        s = self.states[k]
        backoff = self.states[s.backoff]
        if not backoff.counts:
            return float(np.float32(-1.0e-15 * s.total))
        change = log_likelihood(backoff.counts + s.counts) - log_likelihood(s.counts)
        return min(float(change - log_likelihood(backoff.counts)), 0.0)

    def _back_off(self, k: int, queue: list[tuple[float, int]]) -> None:
        s = self.states[k]
        backoff = self.states[s.backoff]
        could = self._may_merge(s.backoff)
        self.active -= bool(backoff.counts)
        backoff.counts += s.counts
        s.counts, s.total_with_parents = Counter(), 0
        if not could and self._may_merge(s.backoff):
            heapq.heappush(queue, (-self._loss(s.backoff), -s.backoff))

    def _fst(self) -> Fst:
        place = {k: i for i, k in enumerate(k for k, s in enumerate(self.states) if s.counts)}
        arcs, finals = [], np.full(len(place), np.inf, np.float32)
        seen, total_cost = 0, 0.0
        for k, source in place.items():
            s = self.states[k]
            for phone, count in sorted(s.counts.items()):
                cost = float(np.float32(-math.log(count / s.total)))
                seen, total_cost = seen + count, total_cost + cost * count
                if phone == BOUNDARY:
                    finals[source] = cost
                else:
                    arcs.append((source, phone, phone, cost, place[self._longest((*s.history, phone))]))
        self.log(f"Total number of phone instances seen was {seen}")
        self.log(f"Perplexity on training data is: {math.exp(total_cost / seen):.6g}")
        fst = Fst.from_arcs(arcs, finals, place[self._longest((BOUNDARY,))])
        self.log(f"Created phone language model with {fst.num_states} states and {fst.num_arcs} arcs.")
        return described(fst, _known(fst))

    def _longest(self, history: History) -> int:
        """The state of the longest end of `history` that was not merged away."""
        while (k := self.number.get(history, -1)) < 0 or not self.states[k].counts:
            history = history[1:]
        return k


def _known(fst: Fst) -> int:
    """What OpenFst still knows after it added state after state and arc after arc: small models keep more."""
    known = KNOWN
    if not fst.num_arcs:
        known |= 3 * (p.I_DETERMINISTIC | p.O_DETERMINISTIC | p.WEIGHTED_CYCLES)
    if not fst.weights.any() and not fst.finals[np.isfinite(fst.finals)].any():
        known |= 3 * p.WEIGHTED
    if (fst.targets > fst.sources).all():
        known |= 3 * (p.TOP_SORTED | p.CYCLIC | p.INITIAL_CYCLIC)
    return known


def described(fst: Fst, known: int) -> Fst:
    """`fst` with its properties filled in as far as `known` asks."""
    columns = fst.ilabels, fst.olabels, fst.weights, fst.targets
    return Fst(fst.start, fst.finals, fst.indptr, *columns, properties=p.compute_properties(fst) & known)


def estimate_phone_lm(
    sequences: Iterable[Sequence[int]],
    options: PhoneLmOptions,
    log: Callable[[str], None] = lambda line: None,
) -> Fst:
    """The phone language model of sequences of phones, numbered from 1."""
    lm = PhoneLm(options, log)
    for phones in sequences:
        lm.add(phones)
    return lm.estimate()

"""Lattices whose arcs are whole phones, from lattices whose arcs are words (lattice-align-phones)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from nnet.formats.transitions import TransitionModel
from nnet.fst.epsilons import Semiring, remove_from_rows
from nnet.fst.lattice import (
    ONE,
    ZERO,
    Lattice,
    LatticeArc,
    Weight,
    better,
    connect,
    sort_topologically,
    times,
)

LATTICE_WEIGHTS = Semiring(times, better, ONE, ZERO)

Ids = tuple[int, ...]
State = tuple[int, Ids, Ids]  # state of the input, transition-ids and words that wait to be written


@dataclass(frozen=True)
class AlignOptions:
    """`replace_output_symbols`: phones in place of words; `reorder`: self-loops follow the transitions;
    `remove_epsilon`: arcs without phone and word are removed.
    """

    replace_output_symbols: bool = False
    reorder: bool = True
    remove_epsilon: bool = True


@dataclass(frozen=True)
class Meaning:
    """What transition-ids are: the phone of each, whether it ends it, whether it is a self-loop."""

    phone: list[int]
    final: list[bool]
    loop: list[bool]

    @classmethod
    def of(cls, transitions: TransitionModel) -> Meaning:
        """Tables for all transition-ids of a model, 0 for none."""
        ids = np.arange(1, transitions.num_ids + 1)
        looks = transitions.phone_of(ids), transitions.is_final(ids), transitions.is_self_loop(ids)
        return cls(*([0, *look.tolist()] for look in looks))

    def check(self, lattice: Lattice) -> None:
        """Raise ValueError if a transition-id of `lattice` is none of the model."""
        highest = max((i for w in lattice.weights() for i in w.ids), default=1)
        lowest = min((i for w in lattice.weights() for i in w.ids), default=1)
        if lowest < 1 or highest >= len(self.phone):
            raise ValueError(
                f"{highest if lowest > 0 else lowest} in a lattice is no transition-id of this model, which "
                f"has 1 to {len(self.phone) - 1}; do lattices and model belong together?"
            )


def align_phones(
    lattice: Lattice,
    meaning: Meaning,
    options: AlignOptions,
    warn: Callable[[str], None] = lambda line: None,
) -> tuple[Lattice, bool]:
    """The compact `lattice` with arcs that correspond to phones, sorted; and whether every phone was whole.

    With start -1 if there is no path. Raises ValueError for transition-ids that the model does not have.
    """
    if lattice.start < 0:
        warn("Trying to phone-align an empty lattice.")
        return lattice, False
    meaning.check(lattice)
    aligner = _Aligner(_with_one_end(lattice), meaning, options, warn)
    return aligner.run(), aligner.good


def _with_one_end(lattice: Lattice) -> Lattice:
    """One final state without arcs and without weight (CreateSuperFinal)."""
    ends = [s for s, w in enumerate(lattice.finals) if w != ZERO]
    if len(ends) == 1 and lattice.finals[ends[0]] == ONE and not lattice.arcs[ends[0]]:
        return lattice
    last = lattice.num_states
    arcs = [list(row) for row in lattice.arcs] + [[]]
    for s in ends:
        arcs[s].append((0, 0, lattice.finals[s], last))
    return Lattice(lattice.start, arcs, [ZERO] * last + [ONE])


@dataclass
class _Aligner:
    """A walk over pairs of a state and what waits to be written; last found, first walked."""

    lattice: Lattice
    meaning: Meaning
    options: AlignOptions
    warn: Callable[[str], None]
    good: bool = True
    number: dict[State, int] = field(default_factory=dict)
    waiting: list[State] = field(default_factory=list)
    arcs: list[list[LatticeArc]] = field(default_factory=list)
    finals: list[Weight] = field(default_factory=list)

    def run(self) -> Lattice:
        self._place((self.lattice.start, (), ()))
        while self.waiting:
            state = self.waiting.pop()
            if not (self._phone(state) or self._word(state)):
                self._advance(state)
        arcs, finals = self.arcs, self.finals
        if self.options.remove_epsilon:
            arcs, finals = remove_from_rows(arcs, finals, 0, LATTICE_WEIGHTS)
        aligned = Lattice(0, arcs, finals)
        if self.options.remove_epsilon:
            aligned = connect(aligned)
        if aligned.start < 0:
            return aligned
        return sort_topologically(aligned)

    def _place(self, state: State) -> int:
        if state not in self.number:
            self.number[state] = len(self.number)
            self.arcs.append([])
            self.finals.append(ZERO)
            self.waiting.append(state)
        return self.number[state]

    def _write(self, state: State, label: int, ids: Ids, following: State) -> None:
        arc = (label, label, Weight(0.0, 0.0, ids), self._place(following))
        self.arcs[self.number[state]].append(arc)

    def _phone(self, state: State) -> bool:
        """Write the first phone that waits, if it is known where it ends (OutputPhoneArc)."""
        s, ids, words = state
        if not (end := self._end_of_phone(ids)):
            return False
        self._write(state, self._label(ids, words), ids[:end], (s, ids[end:], words[1:]))
        return True

    def _end_of_phone(self, ids: Ids) -> int:
        """How many transition-ids the first phone has; 0 if more must be seen to know it."""
        meaning, k = self.meaning, 0
        while k < len(ids) and not meaning.final[ids[k]]:
            k += 1
            if k < len(ids) and meaning.phone[ids[k]] != meaning.phone[ids[0]]:
                self._complain("a phone changed before its last state: is this lattice of another model?")
        k += 1
        if self.options.reorder:
            while k < len(ids) and meaning.loop[ids[k]]:
                k += 1
        return k if k < len(ids) else 0

    def _word(self, state: State) -> bool:
        """Write a word without phones if more than one waits (OutputWordArc)."""
        s, ids, words = state
        if len(words) < 2:
            return False
        self._write(state, words[0], (), (s, ids, words[1:]))
        return True

    def _advance(self, state: State) -> None:
        """Read the arcs of the input; at its end, write what waits."""
        s, ids, words = state
        if self.lattice.finals[s] != ZERO:
            self._finish(state)
        for label, _, weight, target in self.lattice.arcs[s]:
            more = (label,) if label and not self.options.replace_output_symbols else ()
            following = (target, ids + weight.ids, words + more)
            arc = (0, 0, Weight(weight.graph, weight.acoustic), self._place(following))
            self.arcs[self.number[state]].append(arc)

    def _finish(self, state: State) -> None:
        """The end of the input: an end of the output, or the last phone (OutputArcForce)."""
        s, ids, words = state
        if not ids and not words:
            self.finals[self.number[state]] = ONE
            return
        meaning = self.meaning
        if len({meaning.phone[i] for i in ids}) > 1:
            self._complain("the last phone of a lattice changes: is the lattice of another model?")
        if ids and (finals := sum(meaning.final[i] for i in ids)) != 1:
            self._complain(f"the last phone of a lattice has {finals} last states; was its end forced?")
        self._write(state, self._label(ids, words), ids, (s, (), words[1:]))

    def _label(self, ids: Ids, words: Ids) -> int:
        if self.options.replace_output_symbols:
            return self.meaning.phone[ids[0]]
        return words[0] if words else 0

    def _complain(self, message: str) -> None:
        if self.good:
            self.warn(message)
        self.good = False

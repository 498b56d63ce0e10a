"""HMM topologies in Kaldi's format: the states of each phone, their pdf classes and transitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnet.formats.basic import KaldiInput, KaldiOutput, open_whole

NO_PDF = -1  # the pdf class of a state that emits nothing
MAX_STATES = 100000


@dataclass(frozen=True)
class HmmState:
    """A state: pdf classes of leaving and of staying (NO_PDF: none), transitions as (state, probability)."""

    forward_class: int
    self_loop_class: int
    transitions: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Topology:
    """The states of every phone (Kaldi's HmmTopology). The last state of an entry is final and empty."""

    phones: tuple[int, ...]  # rising
    entry_of: tuple[int, ...]  # phone -> index into entries, -1 for numbers that are no phone
    entries: tuple[tuple[HmmState, ...], ...]

    def __post_init__(self) -> None:
        if not self.phones or not self.entries:
            raise ValueError("an HMM topology needs at least one phone and one entry")
        for phone in self.phones:
            if not (0 <= phone < len(self.entry_of) and 0 <= self.entry_of[phone] < len(self.entries)):
                raise ValueError(f"phone {phone} has no entry in the HMM topology")
        for i, entry in enumerate(self.entries):
            if i not in self.entry_of:
                raise ValueError(f"entry {i} of the HMM topology belongs to no phone")
            _check_entry(entry)

    @property
    def is_hmm(self) -> bool:
        """Whether staying and leaving share their pdf class in every state (not so in chain topologies)."""
        return all(s.forward_class == s.self_loop_class for entry in self.entries for s in entry)

    def states(self, phone: int) -> tuple[HmmState, ...]:
        """The states of `phone`. Raises ValueError for a number that is no phone."""
        if not 0 <= phone < len(self.entry_of) or self.entry_of[phone] < 0:
            raise ValueError(f"there is no phone {phone} in the HMM topology")
        return self.entries[self.entry_of[phone]]

    def min_length(self, phone: int) -> int:
        """The frames that `phone` lasts at least (Kaldi's HmmTopology::MinLength)."""
        states = self.states(phone)
        emits = [int(s.forward_class != NO_PDF) for s in states]
        least: list[float] = [emits[0], *([np.inf] * (len(states) - 1))]
        for _ in states:  # transitions may lead backwards
            for j, state in enumerate(states):
                for target, _p in state.transitions:
                    least[target] = min(least[target], least[j] + emits[target])
        return int(least[-1])

    def num_pdf_classes(self, phone: int) -> int:
        """One more than the largest pdf class of `phone`."""
        return 1 + max(max(s.forward_class, s.self_loop_class) for s in self.states(phone))


def _check_entry(entry: Sequence[HmmState]) -> None:
    """Kaldi's HmmTopology::Check for one entry. Raises ValueError."""
    last = len(entry) - 1
    if last < 1:
        raise ValueError("an HMM needs an emitting and a final state")
    if entry[last].transitions or entry[last].forward_class != NO_PDF:
        raise ValueError("the last state of an HMM must emit nothing and have no transitions")
    reached: set[int] = set()
    for j, state in enumerate(entry[:-1]):
        targets = [target for target, _ in state.transitions]
        if not targets or min(targets) < 0 or max(targets) > last or len(set(targets)) < len(targets):
            raise ValueError(
                f"state {j} has transitions to the states {targets}; expected some of 0..{last}, each once"
            )
        if any(not probability > 0.0 for _, probability in state.transitions):
            raise ValueError(f"state {j} has a transition whose probability is not above zero")
        if last in targets and state.forward_class == NO_PDF:
            raise ValueError(f"state {j} emits nothing, so it must not lead to the final state")
        reached.update(targets)
    if lonely := set(range(1, last + 1)) - reached:
        raise ValueError(f"no transition leads to state {min(lonely)}")
    classes = {c for s in entry if s.forward_class != NO_PDF for c in (s.forward_class, s.self_loop_class)}
    if classes != set(range(len(classes))) or not classes:
        raise ValueError(f"pdf classes must be 0, 1, 2... without a gap, found {sorted(classes)}")


def topology(states: Sequence[HmmState], phones: Sequence[int]) -> Topology:
    """A topology with the same states for all `phones`."""
    phones = tuple(sorted(phones))
    entry_of = tuple(0 if p in phones else -1 for p in range(max(phones) + 1))
    return Topology(phones, entry_of, (tuple(states),))


def read_topology_file(name: str) -> Topology:
    """The topology in a file such as data/lang/topo. Raises FormatError."""
    with open_whole(name) as src:
        return read_topology(src)


def read_topology(src: KaldiInput) -> Topology:
    """The topology that comes next."""
    src.expect("<Topology>")
    phones, entry_of, entries = _read_binary(src) if src.binary else _read_text(src)
    try:
        return Topology(phones, entry_of, entries)
    except ValueError as error:
        src.error(str(error))


_Parts = tuple[tuple[int, ...], tuple[int, ...], tuple[tuple[HmmState, ...], ...]]


def _read_binary(src: KaldiInput) -> _Parts:
    phones, entry_of = tuple(src.int_vector().tolist()), tuple(src.int_vector().tolist())
    count = src.int32()
    is_hmm = count != -1  # -1 announces the extended format with two pdf classes per state
    entries = [_read_entry(src, is_hmm) for _ in range(_count(src, count if is_hmm else src.int32()))]
    src.expect("</Topology>")
    return phones, entry_of, tuple(entries)


def _count(src: KaldiInput, count: int) -> int:
    if not 0 <= count <= MAX_STATES:
        src.error(f"expected a number from 0 to {MAX_STATES}, found {count}")
    return count


def _read_entry(src: KaldiInput, is_hmm: bool) -> tuple[HmmState, ...]:
    states = []
    for _ in range(_count(src, src.int32())):
        forward = src.int32()
        self_loop = forward if is_hmm else src.int32()
        transitions = tuple((src.int32(), src.float()) for _ in range(_count(src, src.int32())))
        states.append(HmmState(forward, self_loop, transitions))
    return tuple(states)


def _read_text(src: KaldiInput) -> _Parts:
    entry_of: dict[int, int] = {}
    entries: list[tuple[HmmState, ...]] = []
    while src.expect("<TopologyEntry>", "</Topology>") == "<TopologyEntry>":
        src.expect("<ForPhones>")
        while (word := src.token()) != "</ForPhones>":
            if not word.isdigit() or not 0 < int(word) <= MAX_STATES:
                src.error(f"expected a phone or </ForPhones>, found {word[:40]}")
            if int(word) in entry_of:
                src.error(f"phone {word} has two topology entries")
            entry_of[int(word)] = len(entries)
        entries.append(_read_states(src))
    phones = tuple(sorted(entry_of))
    return phones, tuple(entry_of.get(p, -1) for p in range(max(phones, default=-1) + 1)), tuple(entries)


def _read_states(src: KaldiInput) -> tuple[HmmState, ...]:
    states: list[HmmState] = []
    while src.expect("<State>", "</TopologyEntry>") == "<State>":
        if (number := src.int32()) != len(states):
            src.error(f"expected state {len(states)}, found state {number}")
        states.append(_read_state(src))
    return tuple(states)


def _read_state(src: KaldiInput) -> HmmState:
    forward = self_loop = NO_PDF
    transitions = []
    token = src.expect("<PdfClass>", "<ForwardPdfClass>", "<Transition>", "</State>")
    if token == "<PdfClass>":
        forward = self_loop = src.int32()
    elif token == "<ForwardPdfClass>":
        forward = src.int32()
        src.expect("<SelfLoopPdfClass>")
        self_loop = src.int32()
    if token.endswith("PdfClass>"):
        token = src.expect("<Transition>", "</State>")
    while token == "<Transition>":
        transitions.append((src.int32(), src.float()))
        token = src.expect("<Transition>", "</State>")
    return HmmState(forward, self_loop, tuple(transitions))


def write_topology(out: KaldiOutput, topo: Topology) -> None:
    """Write `topo` as Kaldi's HmmTopology::Write does."""
    out.token("<Topology>")
    out.newline()
    (_write_binary if out.binary else _write_text)(out, topo)
    out.token("</Topology>")
    out.newline()


def _write_binary(out: KaldiOutput, topo: Topology) -> None:
    out.int_vector(np.asarray(topo.phones, dtype=np.int32))
    out.int_vector(np.asarray(topo.entry_of, dtype=np.int32))
    if not topo.is_hmm:
        out.int32(-1)
    out.int32(len(topo.entries))
    for entry in topo.entries:
        out.int32(len(entry))
        for state in entry:
            out.int32(state.forward_class)
            if not topo.is_hmm:
                out.int32(state.self_loop_class)
            out.int32(len(state.transitions))
            for target, probability in state.transitions:
                out.int32(target)
                out.float(probability)


def _write_text(out: KaldiOutput, topo: Topology) -> None:
    for i, entry in enumerate(topo.entries):
        phones = "".join(f"{p} " for p, e in enumerate(topo.entry_of) if e == i)
        out.text(f"<TopologyEntry> \n<ForPhones> \n{phones}\n</ForPhones> \n")
        for j, state in enumerate(entry):
            out.text(f"<State> {j} ")
            if state.forward_class != NO_PDF and topo.is_hmm:
                out.text(f"<PdfClass> {state.forward_class} ")
            elif state.forward_class != NO_PDF:
                out.text(
                    f"<ForwardPdfClass> {state.forward_class} <SelfLoopPdfClass> {state.self_loop_class} "
                )
            for target, probability in state.transitions:
                out.text(f"<Transition> {target} ")
                out.float(probability)
            out.text("</State> \n")
        out.text("</TopologyEntry> \n")

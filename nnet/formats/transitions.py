"""Transition models in Kaldi's format: what a transition-id means (phone, state, pdf), its probability."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from nnet.formats.basic import KaldiInput, KaldiOutput, open_input
from nnet.formats.topology import NO_PDF, Topology, read_topology, write_topology
from nnet.formats.tree import ContextTree

Ids = Any  # an integer array (or number) of transition-ids, counted from 1

MIN_NON_SELF_LOOP = 1.0e-10  # Kaldi's floor where a self-loop has all the probability


class TransitionModel:
    """The transitions of all phones (Kaldi's TransitionModel).

    `tuples` (S, 4) int32: phone, HMM state, forward pdf, self-loop pdf of each transition-state, sorted.
    `log_probs` (number of transition-ids + 1,) float32, natural logarithms; entry 0 is unused.
    Methods taking transition-ids work on whole arrays and raise ValueError if one is out of range.
    """

    def __init__(self, topology: Topology, tuples: np.ndarray, log_probs: np.ndarray | None = None):
        self.topology = topology
        self.tuples = np.asarray(tuples, dtype=np.int32).reshape(-1, 4)
        self._derive()
        self.log_probs = self._initial_log_probs() if log_probs is None else np.asarray(log_probs, np.float32)
        if self.log_probs.shape != (self.num_ids + 1,):
            raise ValueError(
                f"{self.num_ids} transition-ids need as many log probabilities, and one for 0; "
                f"found {self.log_probs.size}"
            )
        used = self.log_probs[1:]
        if not np.isfinite(used).all() or (used > 0).any():
            raise ValueError("log probabilities of transitions must be finite and at most 0")

    @property
    def num_ids(self) -> int:
        """The largest transition-id."""
        return len(self._state) - 1

    @property
    def num_states(self) -> int:
        """The number of transition-states: different (phone, HMM state, pdfs)."""
        return len(self.tuples)

    @property
    def num_pdfs(self) -> int:
        """One more than the largest pdf."""
        return int(self.tuples[:, 2:].max(initial=-1)) + 1

    def pdf_of(self, ids: Ids) -> np.ndarray:
        """Pdfs of transition-ids."""
        return self._look_up(self._pdf, ids)

    def phone_of(self, ids: Ids) -> np.ndarray:
        """Phones of transition-ids."""
        return self.tuples[self._look_up(self._state, ids), 0]

    def state_of(self, ids: Ids) -> np.ndarray:
        """Transition-states of transition-ids, counted from 0 (rows of `tuples`)."""
        return self._look_up(self._state, ids)

    def hmm_state_of(self, ids: Ids) -> np.ndarray:
        """The HMM states in which transition-ids start, counted from 0."""
        return self.tuples[self._look_up(self._state, ids), 1]

    def is_self_loop(self, ids: Ids) -> np.ndarray:
        """Whether transition-ids lead back to their own state."""
        return self._look_up(self._self_loop, ids)

    def is_final(self, ids: Ids) -> np.ndarray:
        """Whether transition-ids end their phone."""
        return self._look_up(self._final, ids)

    def ids_of_state(self, state: int) -> range:
        """The transition-ids of transition-state `state`, counted from 0 (a row of `tuples`)."""
        return range(int(self._first_id[state]), int(self._first_id[state + 1]))

    def _look_up(self, table: np.ndarray, ids: Ids) -> np.ndarray:
        ids = np.asarray(ids)
        if ids.size and (ids.min() < 1 or ids.max() > self.num_ids):
            bad = int(ids.min()) if ids.min() < 1 else int(ids.max())
            raise ValueError(
                f"{bad} is no transition-id of this model, which has 1 to {self.num_ids}; "
                "do alignments and model belong together?"
            )
        return table[ids]

    def _derive(self) -> None:
        """Tables indexed by transition-id (ComputeDerived)."""
        state, pdf, self_loop, final, first = [-1], [-1], [False], [False], []
        for s, (phone, hmm_state, forward, stay) in enumerate(self.tuples.tolist()):
            states = self.topology.states(phone)
            if not 0 <= hmm_state < len(states):
                raise ValueError(f"phone {phone} has no HMM state {hmm_state}; it has {len(states)}")
            first.append(len(state))
            for target, _ in states[hmm_state].transitions:
                state.append(s)
                self_loop.append(target == hmm_state)
                final.append(target == len(states) - 1)
                pdf.append(stay if target == hmm_state else forward)
        self._first_id = np.array([*first, len(state)], dtype=np.int32)
        self._state, self._pdf = np.array(state, dtype=np.int32), np.array(pdf, dtype=np.int32)
        self._self_loop, self._final = np.array(self_loop), np.array(final)

    def _initial_log_probs(self) -> np.ndarray:
        probs = [1.0]
        for phone, hmm_state, _, _ in self.tuples.tolist():
            probs += [p for _, p in self.topology.states(phone)[hmm_state].transitions]
        return log_float32(np.asarray(probs, dtype=np.float32))

    @cached_property
    def non_self_loop_log_probs(self) -> np.ndarray:
        """(num_states,) float32: log probability of leaving each transition-state (ComputeDerivedOfProbs)."""
        result = np.zeros(self.num_states, dtype=np.float32)
        loops = np.flatnonzero(self._self_loop)
        stay = np.exp(self.log_probs[loops])
        leave = np.float32(1.0) - stay
        result[self._state[loops]] = np.log(np.where(leave <= 0, np.float32(MIN_NON_SELF_LOOP), leave))
        return result

    def with_log_probs(self, log_probs: np.ndarray) -> TransitionModel:
        """The same transitions with other probabilities."""
        return TransitionModel(self.topology, self.tuples, log_probs)


def log_float32(x: np.ndarray) -> np.ndarray:
    """The logarithm of float32 numbers, rounded once as C does it (numpy's for float32 is less exact)."""
    return np.log(x.astype(np.float64)).astype(np.float32)


def transition_model(tree: ContextTree, topology: Topology) -> TransitionModel:
    """The transition model of a tree and a topology, probabilities from the topology (ComputeTuples)."""
    tuples: set[tuple[int, int, int, int]] = set()
    for phone in topology.phones:
        for j, state in enumerate(topology.states(phone)):
            classes = (state.forward_class, state.self_loop_class)
            if state.forward_class == NO_PDF:
                continue
            if topology.is_hmm:
                pairs = {(p, p) for p in tree.pdfs(phone, state.forward_class)}
            elif state.self_loop_class == NO_PDF:
                pairs = {(p, NO_PDF) for p in tree.pdfs(phone, state.forward_class)}
            else:
                pairs = tree.pdf_pairs(phone, classes, topology.phones)
            if not pairs:
                raise ValueError(f"the tree has no pdf for phone {phone}, class {state.forward_class}")
            tuples.update((phone, j, *pair) for pair in pairs)
    return TransitionModel(topology, np.array(sorted(tuples), dtype=np.int32))


def read_transition_model(name: str) -> TransitionModel:
    """The transition model at the start of a file such as final.mdl. Raises FormatError."""
    with open_input(name) as src:
        return read_transitions(src)


def read_transitions(src: KaldiInput) -> TransitionModel:
    """The transition model that comes next."""
    src.expect("<TransitionModel>")
    topology = read_topology(src)
    kind = src.expect("<Triples>", "<Tuples>")
    tuples = _read_tuples(src, 3 if kind == "<Triples>" else 4)
    src.expect("</Triples>", "</Tuples>")
    src.expect("<LogProbs>")
    log_probs = src.vector(np.float32)
    src.expect("</LogProbs>")
    src.expect("</TransitionModel>")
    try:
        return TransitionModel(topology, tuples, log_probs)
    except ValueError as error:
        src.error(str(error))


def _read_tuples(src: KaldiInput, width: int) -> np.ndarray:
    count = src.int32()
    if src.binary:
        numbers = src.array(
            np.dtype([("size", "i1"), ("value", "<i4")]), count * width, "the transition-states"
        )
        if (numbers["size"] != 4).any():
            src.error("expected integers of four bytes among the transition-states")
        rows = numbers["value"].reshape(-1, width)
    else:
        src.need(2 * count * width, "the transition-states")
        rows = np.array([src.int32() for _ in range(count * width)], dtype=np.int32).reshape(-1, width)
    return rows if width == 4 else rows[:, [0, 1, 2, 2]]


def write_transitions(out: KaldiOutput, model: TransitionModel) -> None:
    """Write `model` as Kaldi's TransitionModel::Write does."""
    width, name = (3, "Triples") if model.topology.is_hmm else (4, "Tuples")
    out.token("<TransitionModel>")
    out.newline()
    write_topology(out, model.topology)
    out.token(f"<{name}>")
    out.int32(model.num_states)
    out.newline()
    for row in model.tuples[:, :width].tolist():
        for value in row:
            out.int32(value)
        out.newline()
    out.token(f"</{name}>")
    out.newline()
    out.token("<LogProbs>")
    out.newline()
    out.vector(model.log_probs)
    for token in ("</LogProbs>", "</TransitionModel>"):
        out.token(token)
        out.newline()

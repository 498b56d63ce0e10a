"""From phones in context to transition-ids: the H transducer and self-loops of Kaldi's graphs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from nnet.formats.topology import NO_PDF
from nnet.formats.transitions import TransitionModel
from nnet.formats.tree import ContextTree
from nnet.fst.arrays import Arc, Fst, Lists
from nnet.fst.compose import compose
from nnet.fst.context import Window, expand_context
from nnet.fst.local_epsilons import remove_epsilons_locally
from nnet.fst.order import with_costs, with_labels
from nnet.fst.properties import is_sorted

Hmm = list[tuple[int, int, float, int]]  # state, transition-id, cost, target


def phones_to_transition_ids(
    fst: Fst, tree: ContextTree, transitions: TransitionModel, with_probabilities: bool
) -> Fst:
    """The acceptor `fst` of phones as one of transition-ids, self-loops after the transitions they follow.

    Costs are those of `fst`, with those of transitions if asked for. Labels 0 may be left. (Composition of
    H and C with `fst`, then AddSelfLoops with reorder = true.) Raises ValueError if tree and transition
    model do not fit together or to the phones.
    """
    scale = float(with_probabilities)
    looped = transducer_to_words(fst, tree, transitions, scale, scale)
    return with_labels(looped, looped.ilabels, looped.ilabels)


def transducer_to_words(
    fst: Fst, tree: ContextTree, transitions: TransitionModel, transition_scale: float, self_loop_scale: float
) -> Fst:
    """`fst` from phones to words as one from transition-ids to words; costs of transitions times the scales.

    As phones_to_transition_ids does it for acceptors (Kaldi's HCLG out of its LG).
    """
    contexts, windows = expand_context(fst, transitions.topology.phones, tree.width, tree.central)
    h = h_transducer(windows, tree, transitions, transition_scale)
    expanded = compose(h, contexts, "both" if is_sorted(contexts) else "first")
    return expanded if expanded.start < 0 else add_self_loops(expanded, transitions, self_loop_scale)


def h_transducer(
    windows: Sequence[Window], tree: ContextTree, transitions: TransitionModel, scale: float
) -> Fst:
    """A loop over the HMMs of `windows`: transition-ids without self-loops to numbers of windows
    (GetHTransducer). `windows[0]` is empty and stands for epsilon.
    """
    builder = _Loop()
    for label, window in enumerate(windows[1:], 1):
        phone = window[tree.central]
        classes = range(transitions.topology.num_pdf_classes(phone))
        key = phone, tuple(tree.pdf(window, c) for c in classes)
        builder.add(label, key, _hmm(*key, transitions, scale))
    return builder.fst()


@lru_cache(maxsize=4)
def _ids_of_tuples(transitions: TransitionModel) -> dict[tuple[int, ...], int]:
    """(phone, HMM state, forward pdf, self-loop pdf) -> transition-state, counted from 0."""
    return {tuple(row): k for k, row in enumerate(transitions.tuples.tolist())}


@lru_cache(maxsize=1 << 14)
def _hmm(phone: int, pdfs: tuple[int, ...], transitions: TransitionModel, scale: float) -> Lists:
    """The HMM of a phone with these pdfs as an acceptor of transition-ids, without self-loops."""
    states, ids = transitions.topology.states(phone), _ids_of_tuples(transitions)
    rows: list[list[Arc]] = []
    for j, state in enumerate(states):
        row: list[Arc] = []
        for k, (target, probability) in enumerate(state.transitions):
            if target == j:
                continue
            if state.forward_class == NO_PDF:
                label, cost = 0, -np.log(np.float32(probability))
            else:
                pair = pdfs[state.forward_class], pdfs[state.self_loop_class]
                s = ids.get((phone, j, *pair))
                if s is None:
                    raise ValueError(
                        f"the tree gives state {j} of phone {phone} the pdfs {pair}, which the transition "
                        "model does not know: do tree and transition model belong together?"
                    )
                label = transitions.ids_of_state(s)[k]
                cost = transitions.non_self_loop_log_probs[s] - transitions.log_probs[label]
            row.append((label, label, float(cost), target))
        rows.append(row)
    fst = remove_epsilons_locally(Fst.from_lists(rows, [np.inf] * (len(states) - 1) + [0.0]))
    ends = np.isfinite(fst.finals)
    finals = np.where(ends, np.float32(scale) * np.where(ends, fst.finals, 0), np.inf)
    return with_costs(fst, np.float32(scale) * fst.weights + 0, finals).as_lists()


class _Loop:
    """One state from which each of many acceptors can be walked through and back (MakeLoopFst)."""

    def __init__(self) -> None:
        self.rows: list[list[Arc]] = [[]]
        self.entries: dict[object, Arc] = {}

    def add(self, label: int, key: object, fst: Lists) -> None:
        """The acceptor `fst`, with output `label`; equal keys share states."""
        if (entry := self.entries.get(key)) is not None:
            self.rows[0].append((entry[0], label, entry[2], entry[3]))
            return
        if fst.start < 0:
            return
        arcs, finals, _ = fst
        begins_once = len(arcs[fst.start]) == 1 and all(a[3] != fst.start for row in arcs for a in row)
        shared = begins_once and finals[fst.start] == np.inf
        place = [0] * len(arcs)
        for s in range(len(arcs)):
            if not (shared and s == fst.start):
                place[s] = len(self.rows)
                self.rows.append([])
        if not shared:
            self.entries[key] = (0, label, 0.0, place[fst.start])
            self.rows[0].append(self.entries[key])
        for s, row in enumerate(arcs):
            first = shared and s == fst.start
            new = [(i, label if first else 0, w, place[t]) for i, _, w, t in row]
            if first:
                self.entries[key] = new[0]
            self.rows[place[s]] += new
            if finals[s] != np.inf:
                self.rows[place[s]].append((0, 0, finals[s], 0))

    def fst(self) -> Fst:
        """The loop."""
        return Fst.from_lists(self.rows, [0.0] + [np.inf] * (len(self.rows) - 1))


def add_self_loops(fst: Fst, transitions: TransitionModel, scale: float, check: bool = True) -> Fst:
    """`fst`, whose inputs are transition-ids, with the self-loop of every transition-id after it.

    Leaving a state costs what it costs in the transition model, times `scale` (AddSelfLoops with
    reorder = true). Raises ValueError if there are self-loops already and `check` is set.
    """
    if check and transitions.is_self_loop(fst.ilabels[fst.ilabels > 0]).any():
        raise ValueError("the graph has self-loops already")
    fst = _separate(fst, transitions)
    loop_of = _self_loops(transitions)
    entered = np.zeros(fst.num_states, np.int64)  # transition-state by which a state is entered, 0 is none
    entered[fst.targets] = _state_of(fst.ilabels, transitions)
    leave = np.concatenate([[np.float32(0)], -transitions.non_self_loop_log_probs])[entered]
    leave *= np.float32(scale)
    costs = with_costs(fst, fst.weights + leave[fst.sources], fst.finals + leave)
    rows = costs.lists()
    for s, state in enumerate(entered.tolist()):
        if state and (loop := loop_of[state]):
            cost = float(np.float32(-scale) * transitions.log_probs[loop]) + 0.0
            rows[s].append((loop, 0, cost, s))
    return Fst.from_lists(rows, costs.finals, costs.start)


@lru_cache(maxsize=4)
def _self_loops(transitions: TransitionModel) -> list[int]:
    """The transition-id of each transition-state's self-loop, 0 for none; states counted from 1."""
    loops = [0] * (transitions.num_states + 1)
    ids = np.arange(1, transitions.num_ids + 1)
    looped = ids[transitions.is_self_loop(ids)]
    for loop, state in zip(looped.tolist(), transitions.state_of(looped).tolist()):
        loops[state + 1] = loop
    return loops


def _state_of(labels: np.ndarray, transitions: TransitionModel) -> np.ndarray:
    """Transition-states, counted from 1; 0 for epsilon."""
    states = np.zeros(len(labels), np.int64)
    states[labels > 0] = transitions.state_of(labels[labels > 0]) + 1
    return states


def _separate(fst: Fst, transitions: TransitionModel) -> Fst:
    """`fst` with states divided so that all arcs into one have one transition-state, epsilon counting as one.

    (MakePrecedingInputSymbolsSameClass; the start counts as entered by an epsilon.)
    """
    states = _state_of(fst.ilabels, transitions)
    seen = np.full(fst.num_states, -1)
    seen[fst.targets[::-1]] = states[::-1]  # the first arc into a state decides
    seen[fst.start] = 0
    bad = np.zeros(fst.num_states, bool)
    bad[fst.targets[states != seen[fst.targets]]] = True
    rows, split = fst.lists(), {}
    codes = iter(states.tolist())
    for row in rows[: fst.num_states]:
        for k, (i, o, w, t) in enumerate(row):
            state = next(codes)
            if i and bad[t]:
                key = t, state
                if key not in split:
                    split[key] = len(rows)
                    rows.append([(0, 0, 0.0, t)])
                row[k] = (i, o, w, split[key])
    finals = np.concatenate([fst.finals, np.full(len(split), np.inf, np.float32)])
    return Fst.from_lists(rows, finals, fst.start)

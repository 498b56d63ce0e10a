"""End-to-end supervision from training graphs."""

from __future__ import annotations

import numpy as np
import pytest

from nnet.chain.den_graph import make_den_fst
from nnet.chain.e2e import LIMIT, end_to_end, normalized, pdf_acceptor, shortest_length
from nnet.chain.hmm_graph import transducer_to_words
from nnet.chain.normalization import normalization_fst
from nnet.chain.phone_lm import PhoneLmOptions, estimate_phone_lm
from nnet.formats.topology import topology
from nnet.formats.transitions import TransitionModel, transition_model
from nnet.formats.tree import ContextTree, monophone_tree
from nnet.fst.arrays import Fst
from nnet.fst.order import sort_arcs
from nnet.objectives.chain.denominator import DenominatorGraph
from nnet.objectives.chain.objective import ChainOptions, chain_objective
from tests.nnet.chain.graphs import CHAIN

PHONES = [1, 2, 3]
WORD = 7


def model() -> tuple[ContextTree, TransitionModel]:
    tree = monophone_tree(dict.fromkeys(PHONES, 2))
    return tree, transition_model(tree, topology(CHAIN, PHONES))


def training_graph(phones: list[int]) -> Fst:
    """Silence (1) or nothing, then phones, all of one word."""
    arcs = [(0, 1, 0, 0.5, 1), (0, 0, 0, 1.0, 1)]
    arcs += [(i, p, WORD if i == 1 else 0, 0.0, i + 1) for i, p in enumerate(phones, 1)]
    fst = Fst.from_arcs(arcs, [np.inf] * (len(phones) + 1) + [0.0])
    return transducer_to_words(fst, *model(), 0.0, 0.0)


def labels(tree: ContextTree, *phones_and_lengths: tuple[int, int]) -> list[int]:
    return [1 + tree.pdf((p,), min(k, 1)) for p, length in phones_and_lengths for k in range(length)]


def cost(fst: Fst, sequence: list[int]) -> float:
    """The least cost of a path with these labels."""
    now = {fst.start: 0.0}
    for label in sequence:
        after: dict[int, float] = {}
        for s, before in now.items():
            for i, _, w, t in fst.lists()[s]:
                if i == label:
                    after[t] = min(after.get(t, np.inf), before + w)
        now = after
    return min((c + float(fst.finals[s]) for s, c in now.items()), default=np.inf)


def test_an_utterance_may_be_any_path_of_its_graph() -> None:
    tree, transitions = model()
    acceptor = pdf_acceptor(training_graph([2, 3]), transitions)
    assert (acceptor.ilabels > 0).all()
    assert np.array_equal(acceptor.ilabels, acceptor.olabels)
    assert cost(acceptor, labels(tree, (2, 3), (3, 1))) == pytest.approx(1.0)
    assert cost(acceptor, labels(tree, (1, 2), (2, 1), (3, 4))) == pytest.approx(0.5)
    assert cost(acceptor, labels(tree, (3, 1), (2, 1))) == np.inf
    assert cost(acceptor, labels(tree, (2, 2))) == np.inf


def test_the_shortest_path_has_one_frame_for_each_phone() -> None:
    _, transitions = model()
    assert shortest_length(pdf_acceptor(training_graph([2, 3, 2]), transitions)) == 3
    assert shortest_length(Fst.from_arcs([], [], -1)) == LIMIT
    assert shortest_length(Fst.from_arcs([(0, 1, 1, 0.0, 1)], [np.inf, np.inf])) == LIMIT


def test_the_numerator_is_never_above_the_denominator(rng: np.random.Generator) -> None:
    tree, transitions = model()
    lm = estimate_phone_lm([[1, 2, 3], [2, 3], [3, 2], [1, 3, 2, 1]], PhoneLmOptions(3, 10, 2))
    den = make_den_fst(tree, transitions, lm)
    acceptor = normalized(pdf_acceptor(training_graph([2, 3]), transitions), normalization_fst(den))
    assert acceptor.start >= 0
    supervision = end_to_end(acceptor, 6, transitions.num_pdfs)
    graph = DenominatorGraph.from_fst(den, transitions.num_pdfs)
    output = rng.normal(size=(6, 1, transitions.num_pdfs))
    value = chain_objective(ChainOptions(leaky_hmm_coefficient=0.0), graph, supervision, output)
    assert value.good
    assert value.total < 1e-6


def test_what_the_denominator_cannot_say_is_empty() -> None:
    tree, transitions = model()
    lm = estimate_phone_lm([[1, 2]], PhoneLmOptions(2, 10, 1))
    norm = normalization_fst(make_den_fst(tree, transitions, lm))
    assert normalized(pdf_acceptor(training_graph([3, 3]), transitions), norm).start < 0


def test_arcs_of_equal_labels_keep_the_order_of_a_sorted_normalization_fst() -> None:
    """Kaldi does not sort it again; the C++ library's sort would change the order of equal labels."""
    count = 40
    arcs = [(0, label, label, float(k), k + 1) for k, label in enumerate(sorted([1] * 3 + [2] * (count - 3)))]
    known = Fst.from_arcs(arcs, [np.inf] + [0.0] * count)
    again = sort_arcs(known)
    assert not np.array_equal(again.weights, known.weights)
    found = normalized(Fst.linear([2]), known)
    assert found.weights.tolist() == known.weights[known.ilabels == 2].tolist()
    backwards = Fst.from_lists([row[::-1] for row in known.lists()], known.finals)
    unsorted = normalized(Fst.linear([2]), backwards)
    assert sorted(unsorted.weights.tolist()) == found.weights.tolist()

"""The denominator: against all paths written out, against differences, and when numbers go wrong."""

import numpy as np
import pytest

from nnet.fst.arrays import Fst
from nnet.kernels import denominator as module
from nnet.objectives.chain.denominator import DenominatorGraph, denominator, initial_probabilities
from tests.nnet.objectives.graphs import agrees_with_differences, denominator_by_enumeration, random_graph

INF = float("inf")
PDFS = 4


@pytest.fixture
def graph(rng):
    return random_graph(rng, 5, PDFS, 14)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_without_leaking_it_is_the_sum_over_all_paths(rng, graph, frames):
    g = DenominatorGraph.from_fst(graph, PDFS)
    y = rng.standard_normal((frames, 3, PDFS))
    found = denominator(g, y, 0.0)
    for n in range(3):
        assert found.log_prob[n] == pytest.approx(denominator_by_enumeration(graph, g.initial, y[:, n]))
    assert found.good


def test_leaking_adds_arcs_from_every_state_to_every_state(rng, graph):
    g, leaky = DenominatorGraph.from_fst(graph, PDFS), 0.2
    y = rng.standard_normal((3, 1, PDFS))
    # a state may leak before each frame and after the last: alpha' = alpha (1 + leaky 1 initial')
    leak = np.eye(graph.num_states) + leaky * np.outer(np.ones(graph.num_states), g.initial)
    alpha = g.initial.astype(float) @ leak
    for t in range(3):
        step = np.zeros((graph.num_states, graph.num_states))
        np.add.at(step, (graph.sources, graph.targets), np.exp(y[t, 0, graph.ilabels - 1] - graph.weights))
        alpha = alpha @ step @ leak
    assert denominator(g, y, leaky).log_prob[0] == pytest.approx(np.log(alpha.sum()), rel=1e-6)


@pytest.mark.parametrize("leaky", [0.0, 1e-5, 0.1])
def test_posteriors_are_the_derivative_and_sum_to_one(rng, graph, leaky):
    g = DenominatorGraph.from_fst(graph, PDFS)
    y = rng.standard_normal((6, 4, PDFS))
    found = denominator(g, y, leaky)
    np.testing.assert_allclose(found.posterior.sum(axis=2), 1.0, atol=1e-6)
    agrees_with_differences(lambda x: denominator(g, x, leaky, False).log_prob.sum(), y, found.posterior, rng)


def test_blocks_of_sequences_change_nothing(rng, graph, monkeypatch):
    g = DenominatorGraph.from_fst(graph, PDFS)
    y = rng.standard_normal((4, 7, PDFS)).astype(np.float32)
    whole = denominator(g, y, 0.1)
    monkeypatch.setattr(module, "BLOCK", 3)
    parts = denominator(g, y, 0.1)
    np.testing.assert_allclose(parts.log_prob, whole.log_prob, rtol=1e-6)
    np.testing.assert_allclose(parts.posterior, whole.posterior, rtol=1e-5)
    assert parts.posterior.dtype == np.float32


def test_outputs_are_not_changed_even_of_a_single_sequence(rng, graph):
    g = DenominatorGraph.from_fst(graph, PDFS)
    y = 50 * rng.standard_normal((4, 1, PDFS)).astype(np.float32)
    before = y.copy()
    denominator(g, y, 0.1)
    assert np.array_equal(y, before)


def test_what_is_out_of_range_is_clipped(rng, graph):
    g = DenominatorGraph.from_fst(graph, PDFS)
    y = 100 * rng.standard_normal((5, 2, PDFS)).astype(np.float32)
    clipped = denominator(g, np.clip(y, -30, 30), 0.1)
    found = denominator(g, y, 0.1)
    assert found.good and np.array_equal(found.log_prob, clipped.log_prob)


@pytest.mark.parametrize("value", [np.nan])
def test_outputs_that_are_no_numbers_are_reported(rng, graph, value):
    g = DenominatorGraph.from_fst(graph, PDFS)
    y = rng.standard_normal((3, 2, PDFS)).astype(np.float32)
    y[1, 1, 2] = value
    found = denominator(g, y, 0.1)
    assert not found.good or not np.isfinite(found.log_prob).all()


def test_initial_probabilities_are_the_average_of_a_walk():
    swap = Fst.from_arcs([(0, 1, 1, 0.0, 1), (1, 2, 2, 0.0, 0)], [INF, INF])
    np.testing.assert_allclose(initial_probabilities(swap), 0.5)
    absorbing = Fst.from_arcs([(0, 1, 1, 0.0, 1), (1, 1, 1, 0.0, 1)], [INF, 0.0])
    np.testing.assert_allclose(initial_probabilities(absorbing), [0.01, 0.99], rtol=1e-5)


@pytest.mark.parametrize(
    "fst, message",
    [
        (Fst.from_arcs([(0, 5, 5, 0.0, 0)], [0.0]), "label 5, but the network's output has 4 pdfs"),
        (Fst.from_arcs([(0, 0, 0, 0.0, 0)], [0.0]), "label 0, but"),
        (Fst.from_arcs([], [0.0]), "no arcs"),
        (Fst.from_arcs([(0, 1, 1, -9.0, 0)], [0.0]), "probabilities are no such"),
        (Fst.from_arcs([(0, 1, 1, 1.0, 1)], [INF, INF]), "probabilities are no such"),
    ],
)
def test_graphs_that_are_none_are_refused(fst, message):
    with pytest.raises(ValueError, match=message):
        DenominatorGraph.from_fst(fst, PDFS)

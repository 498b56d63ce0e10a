"""The denominator's kernels against numpy's body, which tests of the objective hold against all paths."""

import numpy as np
import pytest

from nnet.backend import to_device, to_host
from nnet.kernels.denominator import forward_backward
from nnet.objectives.chain.denominator import DenominatorGraph
from tests.emulation.device import transfers
from tests.nnet.objectives.graphs import random_graph

SIZES = [(1, 1, 3, 2), (4, 3, 20, 5), (6, 40, 37, 18)]  # frames, sequences, states, pdfs


def case(rng, frames, sequences, states, pdfs, dtype=np.float64):
    graph = DenominatorGraph.from_fst(random_graph(rng, states, pdfs, 4 * states), pdfs)
    return graph, rng.standard_normal((frames, sequences, pdfs)).astype(dtype)


@pytest.mark.parametrize("leaky", [0.0, 0.1])
@pytest.mark.parametrize("sizes", SIZES)
def test_kernels_do_what_numpy_does(rng, device, sizes, leaky):
    graph, y = case(rng, *sizes)
    log_prob, posterior, good = forward_backward(graph, y, leaky)
    ours = forward_backward(graph, to_device(y), leaky)
    np.testing.assert_allclose(to_host(ours[0]), log_prob, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(to_host(ours[1]), posterior, rtol=1e-10, atol=1e-14)
    assert good and to_host(ours[2])


def test_in_float32_they_differ_by_rounding(rng, device):
    graph, y = case(rng, 8, 5, 50, 9, np.float32)
    y *= 20  # some beyond the limits
    log_prob, posterior, _ = forward_backward(graph, y, 0.1)
    ours = forward_backward(graph, to_device(y), 0.1)
    np.testing.assert_allclose(to_host(ours[0]), log_prob, rtol=2e-6)
    np.testing.assert_allclose(to_host(ours[1]), posterior, atol=2e-5)
    assert ours[1].dtype == np.float32


def test_without_posteriors_only_the_first_half_is_computed(rng, device):
    graph, y = case(rng, 4, 3, 20, 5)
    log_prob, posterior, good = forward_backward(graph, to_device(y), 0.1, with_posterior=False)
    assert posterior is None and to_host(good)
    np.testing.assert_allclose(to_host(log_prob), forward_backward(graph, y, 0.1, False)[0])


def test_one_launch_a_frame_and_direction_and_nothing_leaves_the_device(rng, device):
    graph, y = case(rng, 7, 3, 20, 5)
    there = to_device(y)
    forward_backward(graph, there, 0.1)
    transfers.clear()
    forward_backward(graph, there, 0.1)
    assert transfers == {"launches": 14}


def test_outputs_that_are_no_numbers_are_reported(rng, device):
    graph, y = case(rng, 3, 2, 5, 4)
    y[1, 1, 2] = np.nan
    log_prob, _, good = forward_backward(graph, to_device(y), 0.1)
    assert not to_host(good) or not np.isfinite(to_host(log_prob)).all()

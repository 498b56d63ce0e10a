"""LF-MMI as a whole: numerator minus denominator, its parts, what happens when numbers go wrong."""

import numpy as np
import pytest

from nnet.backend import to_device, to_host
from nnet.fst.arrays import Fst
from nnet.minibatch import ChainTarget, DenseTarget, Minibatch
from nnet.objectives import PerOutput
from nnet.objectives.chain.denominator import DenominatorGraph
from nnet.objectives.chain.evaluate import ChainEvaluate
from nnet.objectives.chain.objective import ChainOptions, chain_objective
from nnet.supervision import Supervision
from tests.emulation.device import transfers
from tests.nnet.objectives.graphs import INF, agrees_with_differences, random_graph, random_supervision

T, N, D = 5, 3, 4
SORTS = pytest.mark.parametrize("end_to_end", [True, False], ids=["end to end", "layered"])


@pytest.fixture
def graph(rng):
    return DenominatorGraph.from_fst(random_graph(rng, 5, D, 14), D)


@SORTS
@pytest.mark.parametrize(
    "options", [ChainOptions(), ChainOptions(l2_regularize=0.3, leaky_hmm_coefficient=0.1)]
)
def test_the_derivative_is_that_of_objective_and_l2(rng, graph, end_to_end, options):
    s = random_supervision(rng, N, T, D, end_to_end, weight=0.7)
    y = rng.standard_normal((T, N, D))
    value = chain_objective(options, graph, s, y)

    def worth(x):
        v = chain_objective(options, graph, s, x, with_derivative=False)
        return v.total + v.l2

    agrees_with_differences(worth, y, value.derivative, rng)
    assert value.weight == pytest.approx(0.7 * N * T)
    assert value.good


def paths_of(fst, frames, rng):
    """Supervision by random walks through the denominator graph itself, with its costs."""
    fsts = []
    for _ in range(N):
        source, arcs = fst.start, []
        for t in range(frames):
            k = int(rng.integers(fst.indptr[source], fst.indptr[source + 1]))
            arcs.append((t, int(fst.ilabels[k]), int(fst.ilabels[k]), float(fst.weights[k]), t + 1))
            source = int(fst.targets[k])
        fsts.append(Fst.from_arcs(arcs, [INF] * frames + [0.0]))
    return Supervision(1.0, N, frames, D, True, tuple(fsts))


def test_the_numerator_never_exceeds_the_denominator(rng):
    for _ in range(20):
        fst = random_graph(rng, int(rng.integers(1, 7)), D, 14)
        graph = DenominatorGraph.from_fst(fst, D)
        s = paths_of(fst, T, rng)
        y = 3 * rng.standard_normal((T, N, D))
        value = chain_objective(ChainOptions(leaky_hmm_coefficient=0.0), graph, s, y)
        # a path of the graph starts in its start state with probability initial[start]
        assert value.good and value.total <= -N * np.log(graph.initial[fst.start]) + 1e-9


def test_a_network_that_can_only_say_one_thing_has_objective_zero():
    only = Fst.from_arcs([(0, 1, 1, 0.0, 0)], [INF])
    graph = DenominatorGraph.from_fst(only, 1)
    s = Supervision(1.0, 2, T, 1, False, (Fst.linear([1] * 2 * T),))
    for y in (np.zeros((T, 2, 1)), np.full((T, 2, 1), 7.0)):
        value = chain_objective(ChainOptions(leaky_hmm_coefficient=0.0), graph, s, y)
        assert value.total == pytest.approx(0.0, abs=1e-9)
        np.testing.assert_allclose(value.derivative, 0.0, atol=1e-12)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@SORTS
def test_numerical_trouble_costs_ten_per_frame_and_changes_nothing(rng, graph, end_to_end, value):
    s = random_supervision(rng, N, T, D, end_to_end, weight=2.0)
    y = np.full((T, N, D), value, np.float32)
    found = chain_objective(ChainOptions(l2_regularize=0.1), graph, s, y, with_posterior=True)
    assert not found.good
    assert found.total == -10.0 * 2.0 * N * T and found.l2 == 0.0
    assert not found.derivative.any() and not found.posterior.any()


def test_a_supervision_without_paths_is_numerical_trouble(rng, graph):
    s = Supervision(1.0, 1, T, D, True, (Fst.linear([1]),))
    found = chain_objective(ChainOptions(l2_regularize=0.5), graph, s, np.ones((T, 1, D)))
    assert found.total == -10.0 * T
    assert not found.derivative.any() and found.l2 == 0.0


def test_an_objective_without_number_still_has_its_l2_term_if_layered(rng, graph):
    fst = Fst.from_arcs([(0, 1, 1, INF, 1), (1, 1, 1, 0.0, 2)], [INF, INF, 0.0])
    s = Supervision(1.0, 1, 2, D, False, (fst,))
    found = chain_objective(ChainOptions(l2_regularize=0.5), graph, s, np.ones((2, 1, D)))
    assert found.total == -20.0 and found.l2 == -0.25 * 2 * D
    np.testing.assert_allclose(found.derivative, -0.5)


def test_outputs_out_of_range_are_pulled_back(rng, graph):
    s = random_supervision(rng, N, T, D, True)
    y = 20 * rng.standard_normal((T, N, D))
    plain = chain_objective(ChainOptions(out_of_range_regularize=0.0), graph, s, y).derivative
    pulled = chain_objective(ChainOptions(out_of_range_regularize=0.25), graph, s, y).derivative
    assert (np.abs(y) > 30).any()
    np.testing.assert_allclose(pulled - plain, 0.25 * (np.clip(y, -30, 30) - y), atol=1e-12)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("leaky_hmm_coefficient", 1.0),
        ("leaky_hmm_coefficient", -0.1),
        ("l2_regularize", -1.0),
        ("xent_regularize", float("nan")),
        ("out_of_range_regularize", INF),
    ],
)
def test_options_out_of_range_are_refused(name, value):
    with pytest.raises(ValueError, match=name.replace("_", "-")):
        ChainOptions(**{name: value})


# -- in training and in scoring


def evaluated(rng, graph, with_derivative=True, **how):
    s = random_supervision(rng, N, T, D, True)
    weights = rng.uniform(0, 1, (T, N)).astype(np.float32)
    batch = Minibatch(N, {}, {"output": ChainTarget(tuple(range(T)), s, weights)})
    y, z = rng.standard_normal((2, T, N, D))
    outputs = {"output": y, "output-xent": z}
    evaluate = ChainEvaluate(graph, **how)
    values = evaluate(batch, lambda name: "linear", outputs.__getitem__, with_derivative)
    plain = chain_objective(evaluate.options, graph, s, y, with_posterior=True)
    return evaluate.frames(batch), values, plain, z, weights[:, :, None]


def test_training_weighs_derivatives_and_trains_the_branch(rng, graph):
    frames, values, plain, z, weights = evaluated(rng, graph, options=ChainOptions(xent_regularize=0.1))
    assert list(frames) == ["output", "output-xent"]
    np.testing.assert_allclose(values["output"].derivative, plain.derivative * weights)
    np.testing.assert_allclose(values["output-xent"].derivative, 0.1 * plain.posterior * weights)
    assert values["output-xent"].total == pytest.approx((plain.posterior * z).sum())
    assert values["output-xent"].weight == values["output"].weight == N * T


def test_weights_of_derivatives_can_be_left_out(rng, graph):
    *_, values, plain, _, _ = evaluated(rng, graph, options=ChainOptions(apply_deriv_weights=False))
    np.testing.assert_allclose(values["output"].derivative, plain.derivative)


def test_scoring_does_not_weigh_and_gives_the_branch_no_derivative(rng, graph):
    options = ChainOptions(xent_regularize=0.1, l2_regularize=0.2)
    _, values, plain, _, _ = evaluated(rng, graph, options=options, training=False)
    np.testing.assert_allclose(values["output"].derivative, plain.derivative)
    assert values["output-xent"].derivative is None
    assert values["output"].extra == plain.l2 < 0


def test_scoring_without_derivatives_makes_none(rng, graph):
    frames, values, _, _, _ = evaluated(rng, graph, with_derivative=False, training=False)
    assert list(frames) == list(values) == ["output"]
    assert values["output"].derivative is None


def test_numerical_trouble_is_told():
    told = []
    only = DenominatorGraph.from_fst(Fst.from_arcs([(0, 1, 1, 0.0, 0)], [INF]), 1)
    s = Supervision(1.0, 1, 2, 1, True, (Fst.linear([1]),))
    batch = Minibatch(1, {}, {"output": ChainTarget((0, 3), s)})
    ChainEvaluate(only, warn=told.append)(batch, str, lambda name: np.zeros((2, 1, 1)))
    assert told == ["The forward-backward of 'output' failed; its objective is set to -10 per frame."]


def test_labels_of_frames_and_chain_supervision_are_not_mixed_up(rng, graph):
    frame = Minibatch(1, {}, {"output": DenseTarget((0,), np.zeros((1, 1, D)))})
    with pytest.raises(ValueError, match="labels of frames where the supervision of a chain"):
        ChainEvaluate(graph)(frame, str, lambda name: np.zeros((1, 1, D)))
    s = random_supervision(rng, 1, T, D, True)
    chain = Minibatch(1, {}, {"output": ChainTarget(tuple(range(T)), s)})
    with pytest.raises(ValueError, match="supervision of a chain example where labels of frames"):
        PerOutput()(chain, lambda name: "linear", lambda name: np.zeros((T, 1, D)))


# -- on a device


def test_on_a_device_nothing_waits_and_the_numbers_are_the_same(rng, graph, emulated):
    s = random_supervision(rng, N, T, D, True, weight=0.7)
    y = rng.standard_normal((T, N, D))
    options = ChainOptions(l2_regularize=0.3, leaky_hmm_coefficient=0.1)
    theirs, there = chain_objective(options, graph, s, y, with_posterior=True), to_device(y)
    transfers.clear()
    ours = chain_objective(options, graph, s, there, with_posterior=True)
    assert not transfers["to host"]
    for name in ("total", "l2", "derivative", "posterior", "good"):
        np.testing.assert_allclose(to_host(getattr(ours, name)), getattr(theirs, name), rtol=1e-9, atol=1e-12)


@SORTS
def test_numerical_trouble_on_a_device_costs_the_same(rng, graph, emulated, end_to_end):
    s = random_supervision(rng, N, T, D, end_to_end, weight=2.0)
    y = to_device(np.full((T, N, D), np.nan, np.float32))
    found = chain_objective(ChainOptions(l2_regularize=0.1), graph, s, y, with_posterior=True)
    assert not to_host(found.good) and to_host(found.total) == -10.0 * 2.0 * N * T
    assert to_host(found.l2) == 0.0
    assert not to_host(found.derivative).any() and not to_host(found.posterior).any()

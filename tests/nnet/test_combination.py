"""Averages and combinations of models."""

import numpy as np
import pytest

from nnet import tree
from nnet.combination import average, combine, objective, recompute_stats, set_test_modes
from nnet.component import params
from nnet.score import Scorer, score
from nnet.trainer import Trainer, TrainerOptions
from tests.networks import TDNN, densified, minibatch, network


def params_of(nnet):
    return {f"{n}.{k}": a for n, c in nnet.components.items() for k, a in params(c).items()}


def trained(seed):
    trainer = Trainer(network(), TrainerOptions(seed=seed))
    for i in range(4):
        trainer.step(minibatch(seed=10 * seed + i))
    return trainer.nnet


def test_the_average_of_identical_models_is_the_model():
    model = trained(1)
    for count in (1, 2, 3, 7, 10):
        mean = average([model] * count)
        for key, a in params_of(model).items():
            assert np.array_equal(params_of(mean)[key], a) and params_of(mean)[key].dtype == a.dtype


def test_weights_are_normalised():
    a, b = trained(1), trained(2)
    mean = average([a, b], [1.0, 3.0])
    for key in params_of(a):
        np.testing.assert_allclose(
            params_of(mean)[key], 0.25 * params_of(a)[key] + 0.75 * params_of(b)[key], rtol=1e-5, atol=1e-7
        )


def test_statistics_are_averaged_too():
    a, b = trained(1), trained(2)
    counts = [m.components["h1.batchnorm"].count for m in (a, b, average([a, b]))]
    assert counts[2] == pytest.approx(sum(counts[:2]) / 2)


def test_inputs_are_left_alone():
    a = trained(1)
    before = {k: v.copy() for k, v in params_of(a).items()}
    average([a, trained(2)])
    assert all(np.array_equal(before[k], v) for k, v in params_of(a).items())


def test_a_model_with_a_nan_is_refused_by_name():
    bad = trained(1)
    bad.components["h2"].W[0, 0] = np.nan
    with pytest.raises(ValueError, match="model 2: component h2"):
        average([trained(1), bad])


def test_models_of_other_structure_are_refused_with_both_sizes():
    other = network(TDNN.replace("output-dim=12", "output-dim=10").replace("dim=12", "dim=10"))
    with pytest.raises(ValueError, match=r"15 -> 10.*15 -> 12"):
        average([network(), other])
    with pytest.raises(ValueError, match="other components"):
        average([network(), network(TDNN.replace("h2", "h3"))])


@pytest.mark.parametrize("weights", [[1.0], [1.0, 2.0, 3.0], [1.0, -1.0]])
def test_weights_that_do_not_fit_are_refused(weights):
    with pytest.raises(ValueError, match="weights"):
        average([trained(1), trained(2)], weights)


def test_nothing_to_average_is_an_error():
    with pytest.raises(ValueError, match="no models"):
        average([])


def test_combine_takes_the_running_average_with_the_best_objective():
    models = [trained(s) for s in (1, 2, 3)]
    batches = [minibatch(n=64, seed=99)]
    lines = []
    best = combine(models, batches, 3, log=lines.append)
    candidates = [objective(average(models[:n]), batches, False, True) for n in (1, 2, 3)]
    found = objective(best, batches, False, True)
    assert found == pytest.approx(max(candidates), rel=1e-5)
    assert any(line.startswith("Combining last 3 models, objective function is") for line in lines)


def test_combine_recomputes_batchnorm_statistics_on_the_examples():
    best = combine([trained(1)], [minibatch(n=64, seed=5)], 1)
    assert best.components["h1.batchnorm"].count == 64 * 3


def test_objectives_are_evaluated_as_rarely_as_asked():
    lines = []
    combine([trained(1)] * 7, [minibatch()], 7, max_objective_evaluations=3, log=lines.append)
    assert sum("objective function is" in line for line in lines) == 2


def test_a_diverged_model_never_wins_the_combination():
    good, huge = trained(1), trained(1)
    huge.components["output.affine"].W[...] = 1e30
    best = combine([huge, good], [minibatch()], 2)
    assert (
        np.isfinite(objective(best, [minibatch()], False, True))
        or objective(best, [minibatch()], False, True) == -np.inf
    )


def test_combine_needs_examples_and_models():
    with pytest.raises(ValueError, match="no examples"):
        combine([trained(1)], [], 1)
    with pytest.raises(ValueError, match="no models"):
        combine([], [minibatch()], 0)


def test_recomputed_statistics_do_not_depend_on_old_ones():
    a, b = trained(1), trained(1)
    tree.scale(b.components["h1.batchnorm"], 5.0, "stat")
    for nnet in (a, b):
        recompute_stats(nnet, [minibatch(n=64)])
    assert np.array_equal(a.components["h1.batchnorm"].stats_sum, b.components["h1.batchnorm"].stats_sum)


def test_test_modes_are_set_apart():
    nnet = set_test_modes(network(), batchnorm=True, dropout=None)
    assert nnet.components["h1.batchnorm"].test_mode and not nnet.components["h1.dropout"].test_mode


def test_scores_of_sparse_and_dense_targets_agree():
    nnet = set_test_modes(trained(1))
    a, b = (score(nnet, [batch])["output"] for batch in (minibatch(n=64), densified(minibatch(n=64))))
    assert a.average() == pytest.approx(b.average()) and a.accuracy() == b.accuracy()


def test_accuracy_counts_the_weight_of_rows_that_are_right():
    nnet = set_test_modes(trained(1))
    scorer = Scorer(nnet)
    scorer.add(minibatch(n=64))
    s = scorer.scores["output"]
    assert s.weighed.sum() == 64 * 3 and 0 <= s.right.sum() <= s.weighed.sum()
    lines = scorer.lines(per_dim=True)
    assert lines[0].startswith("Overall log-likelihood for 'output' is")
    assert "Overall accuracy for 'output' is" in lines[1] and "per-dim accuracy vector" in lines[2]


def test_a_label_dim_that_is_not_the_outputs_is_refused_with_both():
    with pytest.raises(ValueError, match=r"dim 4.*have 7"):
        score(network(), [minibatch(classes=7)])

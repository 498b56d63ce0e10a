"""Training of one job: what a minibatch does to the model, and what a bad one does not do."""

import numpy as np
import pytest

from nnet import tree
from nnet.component import params
from nnet.minibatch import Minibatch
from nnet.observe import Observer
from nnet.trainer import Trainer, TrainerOptions, TrainingDiverged
from tests.networks import densified, minibatch, network


def trained(options: TrainerOptions, batches: int = 5, nnet=None, weight: float = 1.0):
    nnet = nnet or network()
    trainer = Trainer(nnet, options)
    for i in range(batches):
        trainer.step(minibatch(seed=i, weight=weight))
    return nnet, trainer


def without_l2():
    nnet = network()
    for _, c in tree.updatable(nnet.components):
        c.l2_regularize = 0.0
    return nnet


def all_params(nnet) -> np.ndarray:
    return np.concatenate([a.ravel() for c in nnet.components.values() for a in params(c).values()])


def poisoned(value: float, seed: int = 0) -> Minibatch:
    batch = minibatch(seed=seed)
    frames, x = batch.inputs["input"]
    x = x.copy()
    x[1, 2, 3] = value
    return Minibatch(batch.n, {"input": (frames, x)}, batch.outputs)


def test_training_raises_the_objective():
    nnet = network()
    for _, c in tree.updatable(nnet.components):
        c.set_learning_rate(0.02)
    lines = []
    trainer = Trainer(nnet, TrainerOptions(print_interval=20), lines.append)
    for i in range(200):
        trainer.step(minibatch(n=32, seed=i))
    assert trainer.finish()
    first = float(lines[0].split(" is ")[1].split()[0])
    last = trainer.progress["output"].phase_total / trainer.progress["output"].phase_weight
    assert last > first + 0.3


def test_the_same_seed_gives_the_same_bits():
    a, _ = trained(TrainerOptions(seed=3))
    b, _ = trained(TrainerOptions(seed=3))
    assert np.array_equal(all_params(a), all_params(b))


def test_another_seed_gives_other_dropout_masks():
    a, _ = trained(TrainerOptions(seed=3))
    b, _ = trained(TrainerOptions(seed=4))
    assert not np.array_equal(all_params(a), all_params(b))


def test_dense_and_sparse_targets_train_alike():
    a, b = Trainer(network()), Trainer(network())
    a.step(minibatch())
    b.step(densified(minibatch()))
    assert np.array_equal(all_params(a.nnet), all_params(b.nnet))


def test_alpha_zero_is_bit_identical_to_no_l2():
    with_factor, _ = trained(TrainerOptions(l2_regularize_factor=1.0), nnet=without_l2())
    without, _ = trained(TrainerOptions(l2_regularize_factor=0.0), nnet=without_l2())
    factor_zero, _ = trained(TrainerOptions(l2_regularize_factor=0.0))
    assert np.array_equal(all_params(with_factor), all_params(without))
    assert np.array_equal(all_params(factor_zero), all_params(without))


@pytest.mark.parametrize("factor", [1.0, 0.25])
def test_l2_changes_one_step_by_what_is_documented(factor):
    """With and without L2 one minibatch differs by -2 * N * factor * lrate * alpha * w, in every
    component.
    """
    options = {"max_param_change": 0.0, "batchnorm_stats_scale": 1.0}
    start = network()
    for _, c in tree.updatable(start.components):
        c.max_change = 0.0
        c.orthonormal_constraint = 0.0
    with_l2, without = start.copy(), start.copy()
    Trainer(with_l2, TrainerOptions(l2_regularize_factor=factor, **options)).step(minibatch())
    Trainer(without, TrainerOptions(l2_regularize_factor=0.0, **options)).step(minibatch())
    for name, c in tree.updatable(start.components):
        shrink = -2.0 * 8 * factor * c.learning_rate * c.l2_regularize
        for key, w in params(c).items():
            difference = getattr(with_l2.components[name], key) - getattr(without.components[name], key)
            np.testing.assert_allclose(difference, shrink * w, rtol=0, atol=3e-7 * max(1.0, np.abs(w).max()))


def strong_l2(product: float, n: int = 8):
    """A network whose h2 has 2 * n * rate * alpha = `product`, with powers of two, so without rounding."""
    nnet = without_l2()
    c = nnet.components["h2"]
    c.learning_rate, c.l2_regularize = 2.0**-6, product * 2.0**5 / n
    return nnet


def test_l2_that_turns_signs_is_refused_with_the_arithmetic():
    before = strong_l2(1.0)
    trainer = Trainer(before)
    with pytest.raises(ValueError) as error:
        trainer.step(minibatch(n=8))
    assert str(error.value) == (
        "component h2: L2 would turn the signs of its parameters: 2 * 8 sequences * l2-regularize-factor 1 * "
        "learning rate 0.015625 * l2-regularize 4 = 1, which must be less than 1; with these, l2-regularize "
        "must be below 4"
    )
    assert np.array_equal(all_params(before), all_params(strong_l2(1.0)))


def test_l2_that_only_shrinks_is_taken_and_its_factor_and_the_minibatch_count():
    Trainer(strong_l2(0.999)).step(minibatch(n=8))
    Trainer(strong_l2(1.5), TrainerOptions(l2_regularize_factor=0.5)).step(minibatch(n=8))
    trainer = Trainer(strong_l2(0.75))
    trainer.step(minibatch(n=8))
    with pytest.raises(ValueError, match=r"2 \* 16 sequences .* = 1.5, which must be less than 1"):
        trainer.step(minibatch(n=16))


def test_jobs_with_factor_one_over_n_shrink_like_one_job_of_n_fold_rate():
    """Weight 0 leaves the penalty alone. N jobs at rate N*eta with factor 1/N shrink as one job at rate
    eta and factor 1.
    """
    jobs, batches, eta = 4, 6, 0.001
    start = network()
    start.components["h1.relu"].self_repair_scale = 0.0  # self-repair has a derivative of its own
    for _, c in tree.updatable(start.components):
        c.orthonormal_constraint = 0.0
    many, one = start.copy(), start.copy()
    for _, c in tree.updatable(many.components):
        c.set_learning_rate(jobs * eta)
    trained(TrainerOptions(l2_regularize_factor=1.0 / jobs), batches, many, weight=0.0)
    trained(TrainerOptions(l2_regularize_factor=1.0), batches, one, weight=0.0)
    for name, c in tree.updatable(start.components):
        factor = (1 - 2 * 8 * eta * c.l2_regularize) ** batches
        for key, w in params(c).items():
            np.testing.assert_allclose(getattr(many.components[name], key), factor * w, rtol=2e-6)
            np.testing.assert_allclose(getattr(one.components[name], key), factor * w, rtol=2e-6)


def test_momentum_keeps_part_of_the_change():
    plain, _ = trained(TrainerOptions(momentum=0.0), batches=1, nnet=without_l2())
    _, trainer = trained(TrainerOptions(momentum=0.5, max_param_change=0.0), batches=1, nnet=without_l2())
    kept = np.concatenate([a.ravel() for _, c in tree.updatable(trainer.delta) for a in params(c).values()])
    assert np.abs(kept).max() > 0
    change = all_params(plain) - all_params(without_l2())
    half = all_params(trainer.nnet) - all_params(without_l2())
    mask = np.abs(change) > 1e-6
    np.testing.assert_allclose(half[mask] / change[mask], 0.5, rtol=0.05)


def test_max_change_holds_the_whole_change():
    nnet = network()
    before = all_params(nnet)
    for _, c in tree.updatable(nnet.components):
        c.set_learning_rate(1.0)
        c.orthonormal_constraint = 0.0
    _, trainer = trained(TrainerOptions(max_param_change=0.5), batches=1, nnet=nnet)
    assert np.linalg.norm(all_params(nnet) - before) == pytest.approx(0.5, rel=1e-4)
    assert any("max-change" in line for line in trainer.max_change.lines(nnet))


def test_backstitch_uses_the_same_masks_in_both_passes_and_logs_both():
    nnet, trainer = trained(TrainerOptions(backstitch_training_scale=0.3, max_param_change=0.0), batches=3)
    assert set(trainer.progress) == {"output", "output_backstitch"}
    assert np.isfinite(all_params(nnet)).all()
    a, b = (trainer.progress[k] for k in ("output", "output_backstitch"))
    assert a.weight == b.weight and abs(a.total - b.total) < 0.2 * abs(a.total)


def test_backstitch_every_third_minibatch():
    _, trainer = trained(
        TrainerOptions(backstitch_training_scale=0.3, backstitch_training_interval=3), batches=6
    )
    assert trainer.progress["output_backstitch"].weight * 3 == trainer.progress["output"].weight


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("scale", [0.0, 0.3])
def test_a_minibatch_that_is_not_finite_changes_nothing_and_is_counted(value, scale):
    nnet = network()
    lines = []
    trainer = Trainer(nnet, TrainerOptions(backstitch_training_scale=scale), lines.append)
    trainer.step(minibatch())
    before = all_params(nnet).copy()
    trainer.step(poisoned(value))
    assert np.array_equal(all_params(nnet), before)
    assert trainer.num_skipped == 1
    trainer.step(minibatch(seed=1))
    assert tree.all_finite(nnet.components) is None
    trainer.finish()
    assert any("Skipped 1 of 3" in line for line in lines)


def test_a_target_weight_that_is_not_a_number_changes_nothing():
    trainer = Trainer(network())
    before = all_params(trainer.nnet).copy()
    trainer.step(minibatch(weight=float("nan")))
    assert np.array_equal(all_params(trainer.nnet), before)


def test_ten_bad_minibatches_in_a_row_end_the_job():
    trainer = Trainer(network())
    for _ in range(9):
        trainer.step(poisoned(np.nan))
    with pytest.raises(TrainingDiverged, match="10 minibatches in a row"):
        trainer.step(poisoned(np.nan))


def test_bad_minibatches_that_are_not_in_a_row_do_not_end_the_job():
    trainer = Trainer(network())
    for _ in range(9):
        trainer.step(poisoned(np.nan))
    trainer.step(minibatch())
    for _ in range(9):
        trainer.step(poisoned(np.nan))
    assert trainer.num_skipped == 18


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"momentum": 0.5, "backstitch_training_scale": 0.3}, "needs momentum=0"),
        ({"momentum": -0.1}, "momentum=-0.1"),
        ({"max_param_change": float("nan")}, "max-param-change"),
        ({"backstitch_training_interval": 0}, "at least 1"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        TrainerOptions(**options)


def test_the_observer_sees_l2_and_gradient_parts():
    nnet = network()
    observer = Observer(0.5)
    observer.begin(nnet)
    trainer = Trainer(nnet, TrainerOptions(l2_regularize_factor=0.5), observe=observer)
    norm = float(
        np.linalg.norm(np.concatenate([a.ravel() for a in params(nnet.components["h1.affine"]).values()]))
    )
    trainer.step(minibatch())
    record = observer.finish(nnet, trainer.max_change)["h1.affine"]
    assert record["sequences"] == 8 and record["alpha"] == 0.03 and record["num_minibatches"] == 1
    assert record["l2_norm"] == pytest.approx(2 * 8 * 0.5 * 0.001 * 0.03 * norm, rel=1e-5)
    assert record["gradient_norm"] > 0 and record["change_norm"] > 0
    assert record["param_norm"] == pytest.approx(norm, rel=0.2)

"""Outputs shown before their log-softmax: which ones, and that a device trains on them as on the others."""

from __future__ import annotations

import numpy as np
import pytest

from nnet import tree
from nnet.backend import to_device, to_host
from nnet.component import params
from nnet.device import batch_on_gpu
from nnet.graph.plan import Request, make_plan
from nnet.graph.run import Keep, backward, forward
from nnet.minibatch import Minibatch, SparseTarget
from nnet.objectives import PerOutput
from nnet.objectives.logits import before_log_softmax
from nnet.trainer import Trainer, TrainerOptions
from tests.checks import STEP, agree
from tests.emulation.device import transfers
from tests.networks import TDNN, densified, minibatch, network
from tests.nnet.test_trainer_on_device import on_device

TWO = TDNN + "\noutput-node name=other input=output.log-softmax objective=linear"
FED_BACK = TDNN.replace("input=output.affine", "input=Sum(output.affine, IfDefined(Offset(h3, -1)))") + (
    "component name=h3 type=NaturalGradientAffineComponent input-dim=4 output-dim=4\n"
    "component-node name=h3 component=h3 input=output.log-softmax\n"
)


class Apart(PerOutput):
    """Log-softmax, objective and derivative one after the other, on a device too."""

    TAKES_LOGITS = False


def computed(nnet):
    """The nodes that a pass for three frames of the output computes, and the network's objective."""
    plan = make_plan(nnet, Request({"input": range(-3, 4)}, {"output": range(3)}))
    return {name for name, frames in plan.frames.items() if frames}, nnet.objective_of("output")


@pytest.mark.parametrize("text", [TDNN, TWO])
def test_the_log_softmax_is_left_to_the_objective(text):
    nnet = network(text)
    shown = before_log_softmax(nnet)
    assert computed(shown) == (computed(nnet)[0] - {"output.log-softmax"}, "cross-entropy")
    assert shown.components is nnet.components and list(shown.nodes) == list(nnet.nodes)
    assert nnet.objective_of("output") == "linear"


@pytest.mark.parametrize(
    ("this", "that"),
    [
        ("objective=linear", "objective=quadratic"),
        ("LogSoftmaxComponent", "SoftmaxComponent"),
        ("input=output.log-softmax", "input=Scale(2.0, output.log-softmax)"),
        ("input=output.log-softmax", "input=output.affine"),
    ],
)
def test_other_outputs_stay_as_they_are(this, that):
    nnet = network(TDNN.replace(this, that))
    assert before_log_softmax(nnet).nodes == nnet.nodes


def several(seed, n=8):
    """A minibatch with two labels, in no order, in some rows and none in others."""
    batch = minibatch(n=n, seed=seed)
    rng, target = np.random.default_rng(seed), batch.outputs["output"]
    at = rng.permutation(3 * n * 4)[: 2 * n]
    t, row = at // (4 * n), at % (4 * n)
    entries = SparseTarget(target.frames, 4, t, row // 4, row % 4, rng.random(2 * n).astype(np.float32))
    return Minibatch(n, batch.inputs, {"output": entries})


def trained(evaluate, batches, text=TDNN, **options):
    """Parameters and statistics after training on the device, objectives, and the number of launches."""
    nnet = on_device(network(text))
    options = TrainerOptions(print_interval=4, **options)
    trainer = Trainer(nnet, options, evaluate=evaluate)
    there = [batch_on_gpu(batch) for batch in batches]
    transfers.clear()
    for batch in there:
        trainer.step(batch)
    launches = transfers["launches"]
    trainer.finish()
    values = {f"{n}.{k}": to_host(a) for n, c in nnet.components.items() for k, a in params(c).items()}
    last = nnet.components["output.log-softmax"]
    return values, (to_host(last.oderiv_sumsq), last.oderiv_count), trainer.progress["output"], launches


@pytest.mark.parametrize("kind", [minibatch, several, lambda seed: densified(several(seed))])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"backstitch_training_scale": 0.3},
        {"min_deriv_time": 1},
        {"max_deriv_time": -1},
        {"cuda_graphs": True},
    ],
)
def test_training_gives_the_bits_that_it_gives_with_all_in_turn(emulated, kind, options):
    batches = [kind(seed=seed) for seed in range(9)]
    with emulated.cuda.Stream(non_blocking=True):
        values, stats, progress, _ = trained(PerOutput(), batches, **options)
        expected, expected_stats, expected_progress, _ = trained(Apart(), batches, **options)
    for name, a in expected.items():
        assert np.array_equal(values[name], a), name
    assert stats[1] == expected_stats[1]
    assert (stats[0] is None) == (expected_stats[0] is None)
    if stats[0] is not None:
        np.testing.assert_allclose(stats[0], expected_stats[0], rtol=1e-6)
    for key in ("total", "weight"):
        assert getattr(progress, key) == pytest.approx(getattr(expected_progress, key), rel=1e-6)


def test_a_log_softmax_that_others_read_too_is_computed_for_them(emulated):
    batches = [minibatch(seed=seed) for seed in range(6)]
    values, expected = (trained(e, batches, FED_BACK)[0] for e in (PerOutput(), Apart()))
    assert "output.log-softmax" in computed(before_log_softmax(network(FED_BACK)))[0]
    for name, a in expected.items():
        np.testing.assert_allclose(values[name], a, atol=1e-5)


@pytest.mark.parametrize("kind", [minibatch, several])
def test_a_minibatch_takes_fewer_launches(emulated, kind):
    """In the first one statistics are due: with them two kernels in place of four, and fewer of CuPy's."""
    ours, theirs = (trained(e, [kind(seed=0)])[-1] for e in (PerOutput(), Apart()))
    assert ours == theirs - 2


@pytest.mark.parametrize("where", ["host", "device"])
def test_the_gradient_of_a_network_is_that_of_its_cross_entropy(emulated, where):
    """In float64, along a random direction of the input and of each array of parameters."""
    nnet = network(TDNN.replace("dropout-proportion=0.2", "dropout-proportion=0"))
    nnet.components = {k: tree.astype(c, np.float64) for k, c in nnet.components.items()}
    nnet = nnet if where == "host" else on_device(nnet)
    shown, batch, rng = before_log_softmax(nnet), several(3), np.random.default_rng(2)
    batch = batch if where == "host" else batch_on_gpu(batch)
    move = np.asarray if where == "host" else to_device
    frames, x = batch.inputs["input"]
    x = x.astype(np.float64)
    plan = make_plan(shown, Request({"input": frames}, PerOutput().frames(batch)))

    def value(x):
        acts = forward(shown, plan, {"input": x}, keep=Keep.FOR_BACKWARD)
        return acts, PerOutput()(batch, shown.objective_of, acts.output)["output"]

    delta = tree.zeros_like(nnet.components)
    for _, c in tree.updatable(delta):
        c.learning_rate, c.is_gradient = 1.0, True
    acts, found = value(x)
    dx = backward(shown, plan, acts, {"output": found.derivative}, delta, ("input",))["input"]
    arrays = {"x": (x, dx)}
    for name, c in tree.updatable(nnet.components):
        arrays |= {f"{name}.{k}": (a, params(delta[name])[k]) for k, a in params(c).items()}
    assert len(arrays) == 7
    for name, (a, da) in arrays.items():
        d, kept, ends = move(rng.standard_normal(a.shape)), a.copy(), []
        for step in (STEP, -STEP):
            a[...] = kept + step * d
            ends.append(float(value(x)[1].total))
        a[...] = kept
        agree(name, float((da * d).sum()), (ends[0] - ends[1]) / (2 * STEP), 1e-5)

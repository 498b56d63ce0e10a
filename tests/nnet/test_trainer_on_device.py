"""Whole steps of training on a device: emulated here, with the CUDA sources compiled for the CPU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nnet import tree
from nnet.backend import gpu_available, to_host
from nnet.component import params
from nnet.device import batch_on_gpu
from nnet.objectives import PerOutput
from nnet.objectives.chain.denominator import DenominatorGraph
from nnet.objectives.chain.evaluate import ChainEvaluate
from nnet.objectives.chain.objective import ChainOptions
from nnet.outer import preconditioners
from nnet.trainer import Trainer, TrainerOptions, TrainingDiverged
from tests.emulation.device import transfers
from tests.networks import chain_minibatch, minibatch, network
from tests.nnet.objectives.graphs import random_graph

COMPOSITE = """
input-node name=input dim=5
component name=c type=CompositeComponent num-components=2 component1='type=NaturalGradientAffineComponent \
input-dim=5 output-dim=6' component2='type=TanhComponent dim=6'
component-node name=c component=c input=input
component name=output.affine type=NaturalGradientAffineComponent input-dim=6 output-dim=4
component-node name=output.affine component=output.affine input=c
component name=output.log-softmax type=LogSoftmaxComponent dim=4
component-node name=output.log-softmax component=output.log-softmax input=output.affine
output-node name=output input=output.log-softmax objective=linear
"""


def on_device(nnet):
    """The network with its arrays on the device."""
    nnet.components.update({name: tree.on_device(c) for name, c in nnet.components.items()})
    return nnet


def without_natural_gradient(nnet):
    """The network, trained with plain gradients."""
    for _, c in tree.updatable(nnet.components):
        c.is_gradient = True
    return nnet


def all_params(nnet):
    """All parameters in one array of the host."""
    return np.concatenate([to_host(a).ravel() for c in nnet.components.values() for a in params(c).values()])


def trained(nnet, steps: int = 12, move=lambda batch: batch, **options):
    """Names and values of all parameters after some steps, and the lines of the log."""
    lines: list[str] = []
    trainer = Trainer(nnet, TrainerOptions(print_interval=4, **options), lines.append)
    for seed in range(steps):
        trainer.step(move(minibatch(seed=seed)))
    assert trainer.finish()
    found = {
        f"{name}.{key}": to_host(a)
        for name, c in trainer.nnet.components.items()
        for key, a in params(c).items()
    }
    return found, lines


@pytest.fixture(params=["emulated", "real"])
def device(request):
    """One device after the other."""
    if request.param == "emulated":
        request.getfixturevalue("emulated")
    elif not gpu_available():
        pytest.skip("needs CuPy and a GPU")


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_twenty_minibatches_on_the_device_change_parameters_as_on_the_host(device, momentum):
    """To 1e-2 of the largest change of each array, everything on: natural gradient, L2, limits, dropout."""
    host, host_lines = trained(network(), 20, momentum=momentum)
    ours, device_lines = trained(on_device(network()), 20, batch_on_gpu, momentum=momentum)
    start = {f"{n}.{k}": a for n, c in network().components.items() for k, a in params(c).items()}
    for name, theirs in host.items():
        change = np.abs(theirs - start[name]).max()
        np.testing.assert_allclose(ours[name], theirs, atol=1e-2 * change, err_msg=name)
    assert len(device_lines) == len(host_lines)


def test_a_rerun_on_the_device_gives_the_same_bits(device):
    first, second = (trained(on_device(network()), 6, batch_on_gpu)[0] for _ in range(2))
    for name, a in first.items():
        assert np.array_equal(a, second[name]), name


def waits(trainer, batches) -> int:
    """How often the host takes something from the device while it trains on `batches`."""
    transfers.clear()
    for batch in batches:
        trainer.step(batch)
    return transfers["to host"]


def test_the_host_waits_once_in_an_interval(emulated):
    trainer = Trainer(on_device(network()), TrainerOptions(print_interval=5))
    batches = [batch_on_gpu(minibatch(seed=seed)) for seed in range(21)]
    assert waits(trainer, batches[:1]) == 1  # a first mistake shows at once
    assert waits(trainer, batches[1:5]) == 0
    assert waits(trainer, batches[5:16]) == 3
    assert waits(trainer, batches[16:20]) == 0
    assert waits(trainer, batches[20:]) == 1


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_a_bad_minibatch_changes_nothing_and_is_noticed_later(emulated, momentum):
    bad = minibatch(seed=2)
    bad.inputs["input"][1][1, 2, 3] = np.inf
    batches = [minibatch(seed=0), minibatch(seed=1), bad, minibatch(seed=3), minibatch(seed=4)]
    found = []
    for nnet, move in ((network(), lambda batch: batch), (on_device(network()), batch_on_gpu)):
        lines: list[str] = []
        without_natural_gradient(nnet)
        trainer = Trainer(nnet, TrainerOptions(print_interval=4, momentum=momentum), lines.append)
        for batch in batches:
            trainer.step(move(batch))
        assert trainer.num_skipped == 1 and any("Minibatch 2 skipped" in line for line in lines)
        found.append(all_params(nnet))
    assert np.isfinite(found[1]).all()
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)


def test_a_bad_minibatch_does_not_cost_the_statistics_of_a_job(emulated):
    bad = minibatch(seed=7)
    bad.inputs["input"][1][1, 2, 3] = np.nan
    nnet = on_device(network())
    trainer = Trainer(nnet, TrainerOptions(print_interval=4))
    for seed in range(7):
        trainer.step(batch_on_gpu(minibatch(seed=seed)))
        if seed == 4:  # the last minibatch that was told of
            kept = to_host(nnet.components["h1.batchnorm"].stats_sumsq).copy()
    trainer.step(batch_on_gpu(bad))
    trainer.finish()
    assert trainer.num_skipped == 1
    assert nnet.components["h1.batchnorm"].count > 0
    np.testing.assert_array_equal(to_host(nnet.components["h1.batchnorm"].stats_sumsq), kept)


def test_natural_gradient_begins_with_a_good_minibatch_on_a_device_too(emulated):
    bad = minibatch(seed=7)
    bad.inputs["input"][1][1, 2, 3] = np.nan
    found = []
    for nnet, move in ((network(), lambda batch: batch), (on_device(network()), batch_on_gpu)):
        trainer = Trainer(nnet, TrainerOptions(print_interval=4))
        for batch in (bad, *(minibatch(seed=seed) for seed in range(6))):
            trainer.step(move(batch))
        found.append(all_params(nnet))
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)


def test_minibatches_that_stay_bad_end_the_job(emulated):
    bad = minibatch()
    bad.inputs["input"][1][...] = np.nan
    trainer = Trainer(on_device(network()), TrainerOptions(print_interval=4, max_bad_minibatches=3))
    trainer.step(batch_on_gpu(bad))
    with pytest.raises(TrainingDiverged, match="the last minibatch 2;"):
        for _ in range(4):
            trainer.step(batch_on_gpu(bad))


def test_max_change_is_counted_on_the_device(emulated):
    found = []
    for nnet, move in ((network(), lambda batch: batch), (on_device(network()), batch_on_gpu)):
        for _, c in tree.updatable(nnet.components):
            c.set_learning_rate(1.0)
        trainer = Trainer(nnet, TrainerOptions(max_param_change=0.5, print_interval=4))
        for seed in range(5):
            trainer.step(move(minibatch(seed=seed)))
        found.append((trainer.max_change.per_component, trainer.max_change.overall))
    assert found[0] == found[1] and found[0][1] > 0 and found[0][0]["h1.affine"] > 0


def test_parts_of_composites_are_settled_with_the_rest(emulated):
    """Else their estimates would move one by one, in launches of their own, at the next minibatch."""
    trainer = Trainer(on_device(network(COMPOSITE)), TrainerOptions())
    for seed in range(3):
        trainer.step(batch_on_gpu(minibatch(seed=seed)))
        held = [*preconditioners(trainer.delta)]
        assert len(held) == 4 and all(ng.fisher.pending is None for ng in held)
        assert all(ng.fisher.batch is held[0].fisher.batch for ng in held)


def by_lf_mmi(nnet, move, log):
    """All parameters after eight minibatches of LF-MMI, and what the host waited for after the first."""
    rng = np.random.default_rng(0)
    graph = DenominatorGraph.from_fst(random_graph(rng, 6, 4, 20), 4)
    evaluate = ChainEvaluate(graph, ChainOptions(l2_regularize=1e-3, leaky_hmm_coefficient=0.1))
    trainer = Trainer(nnet, TrainerOptions(print_interval=20), log, evaluate=evaluate)
    trainer.step(move(chain_minibatch(rng)))
    transfers.clear()
    for _ in range(7):
        trainer.step(move(chain_minibatch(rng)))
    waited = transfers["to host"]
    trainer.finish()
    return all_params(nnet), waited


def test_lf_mmi_on_a_device_trains_alike_and_the_host_does_not_wait(device):
    lines: tuple[list[str], list[str]] = [], []
    start = all_params(network())
    theirs, _ = by_lf_mmi(network(), lambda batch: batch, lines[0].append)
    ours, waited = by_lf_mmi(on_device(network()), batch_on_gpu, lines[1].append)
    np.testing.assert_allclose(ours, theirs, atol=1e-2 * np.abs(theirs - start).max())
    assert waited == 0
    assert [line.split(" is ")[0] for line in lines[0]] == [line.split(" is ")[0] for line in lines[1]]


class Spoilt(PerOutput):
    """Objectives whose value is NaN at some of the calls; what leads to them is finite."""

    def __init__(self, *calls: int):
        self.calls, self.number = calls, -1

    def __call__(self, *arguments, **options):
        self.number += 1
        values = super().__call__(*arguments, **options)
        bad = self.number in self.calls
        return {k: replace(v, total=v.total * np.nan) if bad else v for k, v in values.items()}


def move_to(where):
    """The network and the function that moves minibatches."""
    return (network(), lambda batch: batch) if where == "host" else (on_device(network()), batch_on_gpu)


@pytest.mark.parametrize("where", ["host", "device"])
def test_a_refused_minibatch_leaves_constraint_and_batchnorm_as_they_were(emulated, where):
    nnet, move = move_to(where)
    trainer = Trainer(nnet, TrainerOptions(print_interval=4), evaluate=Spoilt(*range(4, 13)))
    for seed in range(4):
        trainer.step(move(minibatch(seed=seed)))
    before, count = all_params(nnet), float(nnet.components["h1.batchnorm"].count)
    for seed in range(4, 13):  # nine, of which about two are drawn for the orthonormal step
        trainer.step(move(minibatch(seed=seed)))
    assert np.array_equal(all_params(nnet), before)
    seen = 0 if where == "host" else 9 * 24  # the host knows before statistics are stored
    assert float(nnet.components["h1.batchnorm"].count) == pytest.approx(count + seen)


@pytest.mark.parametrize("where", ["host", "device"])
@pytest.mark.parametrize("spoilt", [6, 7])
def test_backstitch_takes_both_of_its_passes_or_none(emulated, where, spoilt):
    """A step back without the step on would be left over."""
    nnet, move = move_to(where)
    options = TrainerOptions(backstitch_training_scale=0.3, print_interval=2)
    trainer = Trainer(nnet, options, evaluate=Spoilt(spoilt))
    for seed in range(3):
        trainer.step(move(minibatch(seed=seed)))
    before, h2 = all_params(nnet), to_host(nnet.components["h2"].W).copy()
    trainer.step(move(minibatch(seed=3)))
    trainer.finish()
    assert trainer.num_skipped == 1
    assert np.array_equal(all_params(nnet), before), abs(to_host(nnet.components["h2"].W) - h2).max()
    trainer.step(move(minibatch(seed=4)))
    assert not np.array_equal(all_params(nnet), before)

"""Minibatches as CUDA graphs, on the emulated device: the bits of eager steps, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from nnet import captured, tree
from nnet.backend import array_module, gpu_available, to_device, to_host
from nnet.component import STAT, params
from nnet.device import batch_on_gpu
from nnet.minibatch import Minibatch, SparseTarget
from nnet.observe import Observer
from nnet.trainer import Trainer, TrainerOptions
from tests.emulation.device import transfers
from tests.networks import TDNN, densified, minibatch, network
from tests.nnet.test_trainer_on_device import on_device, without_natural_gradient

LSTM = """
input-node name=input dim=5
component name=W type=NaturalGradientAffineComponent input-dim=9 output-dim=16
component name=lstm type=LstmNonlinearityComponent cell-dim=4 use-dropout=false
component name=trunc type=BackpropTruncationComponent dim=8 recurrence-interval=2
component name=output.affine type=NaturalGradientAffineComponent input-dim=4 output-dim=4
component name=output.log-softmax type=LogSoftmaxComponent dim=4
component-node name=W component=W input=Append(input, IfDefined(Offset(m, -2)))
component-node name=lstm component=lstm input=Append(W, IfDefined(Offset(c, -2)))
component-node name=trunc component=trunc input=lstm
dim-range-node name=c input-node=trunc dim-offset=0 dim=4
dim-range-node name=m input-node=trunc dim-offset=4 dim=4
component-node name=output.affine component=output.affine input=m
component-node name=output.log-softmax component=output.log-softmax input=output.affine
output-node name=output input=output.log-softmax objective=linear
"""
TDNNF = """
input-node name=input dim=5
component name=in type=NaturalGradientAffineComponent input-dim=15 output-dim=12
component name=f.linear type=TdnnComponent input-dim=12 output-dim=2 time-offsets=-1,0 use-bias=false \
orthonormal-constraint=-1
component name=f.affine type=TdnnComponent input-dim=2 output-dim=12 time-offsets=0,1
component name=f.relu type=RectifiedLinearComponent dim=12 self-repair-scale=1e-05
component name=f.batchnorm type=BatchNormComponent dim=12
component name=f.dropout type=GeneralDropoutComponent dim=12 dropout-proportion=0.2 continuous=true
component name=f.noop type=NoOpComponent dim=12
component name=output.affine type=NaturalGradientAffineComponent input-dim=12 output-dim=4
component name=output.log-softmax type=LogSoftmaxComponent dim=4
component-node name=in component=in input=Append(Offset(input, -1), input, Offset(input, 1))
component-node name=f.linear component=f.linear input=in
component-node name=f.affine component=f.affine input=f.linear
component-node name=f.relu component=f.relu input=f.affine
component-node name=f.batchnorm component=f.batchnorm input=f.relu
component-node name=f.dropout component=f.dropout input=f.batchnorm
component-node name=f.noop component=f.noop input=Sum(Scale(0.66, in), f.dropout)
component-node name=output.affine component=output.affine input=f.noop
component-node name=output.log-softmax component=output.log-softmax input=output.affine
output-node name=output input=output.log-softmax objective=linear
"""
MASKED = TDNN.replace("dropout-proportion=0.2 continuous=true", "specaugment-max-proportion=0.4")


@pytest.fixture(params=["emulated", "real"])
def device(request):
    """CuPy, on one device after the other."""
    if request.param == "emulated":
        return request.getfixturevalue("emulated")
    if not gpu_available():
        pytest.skip("needs CuPy and a GPU")
    return array_module(to_device(np.zeros(1)))


def everything(nnet):
    """Parameters and statistics by name, on the host."""
    found = {}
    for name, c in nnet.components.items():
        found |= {f"{name}.{key}": to_host(a) for key, a in params(c).items()}
        for leaf, key in tree.held(c, STAT):
            value = getattr(leaf, key)
            if value is not None:
                found[f"{name}.{key}"] = np.asarray(to_host(value))
    return found


def trained(cupy, graphs, batches, text=None, **options):
    """All numbers after training, the lines of the log, and the trainer."""
    lines: list[str] = []
    nnet = on_device(network() if text is None else network(text))
    with cupy.cuda.Stream(non_blocking=True):
        options = TrainerOptions(print_interval=5, cuda_graphs=graphs, **options)
        trainer = Trainer(nnet, options, lines.append)
        for batch in batches:
            trainer.step(batch_on_gpu(batch))
        trainer.finish()
    return everything(nnet), lines, trainer


def same(cupy, batches, **options):
    """Train eagerly and with graphs, assert that all bits are equal; the trainer that had graphs."""
    eager, lines, _ = trained(cupy, False, batches, **options)
    ours, our_lines, trainer = trained(cupy, True, batches, **options)
    assert our_lines == lines
    assert ours.keys() == eager.keys()
    for name, a in eager.items():
        assert np.array_equal(ours[name], a, equal_nan=True), name
    return trainer


@pytest.mark.parametrize("options", [{}, {"momentum": 0.5}])
def test_forty_minibatches_as_graphs_give_the_bits_of_eager_ones(device, options):
    """Natural gradient, dropout, statistics, self-repair, L2, limits: nothing of it is frozen in a graph."""
    trainer = same(device, [minibatch(seed=seed) for seed in range(40)], **options)
    assert trainer.num_launched >= 20


def test_structures_that_alternate_have_graphs_of_their_own(device):
    batches = [minibatch(n=8 if seed % 3 else 5, seed=seed) for seed in range(40)]
    assert same(device, batches).num_launched >= 12


def test_targets_that_are_arrays_are_copied_too(device):
    trainer = same(device, [densified(minibatch(seed=seed)) for seed in range(40)])
    assert trainer.num_launched >= 20


def test_both_passes_of_backstitch_are_graphs(device):
    batches = [minibatch(seed=seed) for seed in range(24)]
    trainer = same(device, batches, backstitch_training_scale=0.3)
    assert trainer.num_launched >= 10


@pytest.mark.parametrize("text", [LSTM, TDNNF], ids=["lstm", "tdnnf"])
def test_other_networks_too(device, text):
    batches = [cut(minibatch(seed=seed, frames=6), 1) for seed in range(30)]
    trainer = same(device, batches, text=text)
    assert trainer.num_launched >= 10


def cut(batch, frames):
    """The minibatch without the labels of so many frames on either side, which are left as context."""
    target = batch.outputs["output"]
    kept = target.frames[frames:-frames]
    there = np.isin(target.t, range(frames, len(target.frames) - frames))
    entries = {key: getattr(target, key)[there] for key in ("n", "column", "weight")}
    return Minibatch(
        batch.n, batch.inputs, {"output": SparseTarget(kept, target.dim, target.t[there] - frames, **entries)}
    )


def test_a_bad_minibatch_changes_nothing_and_the_next_launch_is_good_again(device):
    batches = [minibatch(seed=seed) for seed in range(30)]
    batches[27].inputs["input"][1][1, 2, 3] = np.nan
    trainer = same(device, batches)
    assert trainer.num_skipped == 1


def test_minibatches_that_are_looked_at_are_not_graphs(emulated):
    found = []
    for graphs in (False, True):
        nnet, observer = without_natural_gradient(on_device(network())), Observer(1.0)
        observer.begin(nnet)
        with emulated.cuda.Stream(non_blocking=True):
            trainer = Trainer(nnet, TrainerOptions(cuda_graphs=graphs), observe=observer)
            for seed in range(40):
                trainer.step(batch_on_gpu(minibatch(seed=seed)))
            trainer.finish()
            found.append(observer.finish(nnet, trainer.max_change))
    assert found[0] == found[1] and found[0]["h1.affine"]["num_minibatches"] == 40
    assert trainer.num_launched >= 20


def test_what_the_host_draws_is_not_captured_and_the_log_says_so(emulated):
    batches = [minibatch(seed=seed) for seed in range(12)]
    eager, lines, _ = trained(emulated, False, batches, text=MASKED)
    ours, our_lines, trainer = trained(emulated, True, batches, text=MASKED)
    told = [line for line in our_lines if "step by step" in line]
    assert len(told) == 1 and "copy from the host" in told[0] and not trainer.num_launched
    assert [line for line in our_lines if line not in told] == lines
    for name, a in eager.items():
        assert np.array_equal(ours[name], a), name


def test_the_null_stream_cannot_be_captured(emulated):
    lines: list[str] = []
    trainer = Trainer(on_device(network()), TrainerOptions(cuda_graphs=True), lines.append)
    for seed in range(12):
        trainer.step(batch_on_gpu(minibatch(seed=seed)))
    assert any("null stream" in line for line in lines) and not trainer.num_launched


def test_graphs_are_given_up_when_parameters_lie_elsewhere(emulated):
    """As after a change of the learning rate, which lays them out anew."""
    found = []
    for graphs in (False, True):
        nnet = without_natural_gradient(on_device(network()))
        with emulated.cuda.Stream(non_blocking=True):
            trainer = Trainer(nnet, TrainerOptions(cuda_graphs=graphs))
            for seed in range(60):
                if seed == 30:
                    for c in (nnet.components["h2"], trainer.delta["h2"]):
                        c.set_learning_rate(0.01)
                trainer.step(batch_on_gpu(minibatch(seed=seed)))
            trainer.finish()
        found.append(everything(nnet))
    for name, a in found[0].items():
        assert np.array_equal(found[1][name], a), name
    assert trainer.num_launched >= 30


def test_there_are_only_so_many_graphs(emulated, monkeypatch):
    monkeypatch.setattr(captured, "MOST", 3)
    nnet = without_natural_gradient(on_device(network()))
    with emulated.cuda.Stream(non_blocking=True):
        trainer = Trainer(nnet, TrainerOptions(cuda_graphs=True))
        for seed in range(40):
            trainer.step(batch_on_gpu(minibatch(n=4 + seed % 4, seed=seed)))
    assert len(trainer._graphs.graphs) == 3 and trainer.num_launched


def test_a_launch_asks_nothing_of_the_host(emulated):
    """No transfer, no launch of a kernel of its own but for what is copied in and out, and the constraint."""
    nnet = on_device(network())
    with emulated.cuda.Stream(non_blocking=True):
        trainer = Trainer(nnet, TrainerOptions(cuda_graphs=True, print_interval=1000))
        batches = [batch_on_gpu(minibatch(seed=seed)) for seed in range(50)]
        for batch in batches[:44]:
            trainer.step(batch)
        transfers.clear()
        launched = trainer.num_launched
        for batch in batches[44:]:
            trainer.step(batch)
    assert trainer.num_launched == launched + 6
    assert not transfers["to host"] and not transfers["to device"] and not transfers["launches"]

"""Minibatches sent ahead: whole when they are used, from memory that is used again, whatever goes wrong."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from nnet import upload
from nnet.backend import gpu_available, to_host
from nnet.device import batch_on_gpu
from nnet.trainer import Trainer, TrainerOptions
from nnet.upload import uploaded
from tests.emulation.streams import Stream
from tests.networks import chain_minibatch, densified, minibatch, network
from tests.nnet.test_trainer_on_device import all_params, on_device


def arrays(batch):
    """All arrays of a minibatch, on the host."""
    found = [to_host(x) for _, x in batch.inputs.values()]
    for target in batch.outputs.values():
        names = ("values",) if hasattr(target, "values") else ("t", "n", "column", "weight")
        found += [to_host(getattr(target, name)) for name in names]
    return found


@pytest.fixture(params=["emulated", "real"])
def device(request):
    """One device after the other."""
    if request.param == "emulated":
        request.getfixturevalue("emulated")
    elif not gpu_available():
        pytest.skip("needs CuPy and a GPU")


BATCHES = [
    minibatch(n=3 + i % 3, seed=i) if i % 2 else densified(minibatch(n=9 - i, seed=i)) for i in range(8)
]


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_each_minibatch_is_there_when_it_is_used(device, slots):
    """The emulated copies happen as late as a real one may, and spoil their target until then."""
    found = [arrays(batch) for batch in uploaded(iter(BATCHES), slots)]
    assert len(found) == len(BATCHES)
    for ours, batch in zip(found, BATCHES):
        for a, b in zip(ours, arrays(batch), strict=True):
            assert a.dtype == b.dtype and np.array_equal(a, b)


def test_without_the_wait_it_would_not_be_there(emulated, monkeypatch):
    monkeypatch.setattr(Stream, "wait_event", lambda self, event: None)
    first = next(uploaded(iter(BATCHES), 1))
    assert np.isnan(to_host(first.inputs["input"][1])).all()


def test_memory_is_taken_once_for_each_slot(emulated, monkeypatch):
    taken = []
    room = upload.page_locked
    monkeypatch.setattr(upload, "page_locked", lambda size: taken.append(size) or room(size))
    for _ in uploaded((minibatch(seed=i) for i in range(9)), 2):
        pass
    assert len(taken) == 2 * 5


def test_training_on_them_is_training_on_each_when_it_is_sent(device):
    found = []
    for move in (lambda batches: map(batch_on_gpu, batches), uploaded):
        nnet = on_device(network())
        trainer = Trainer(nnet, TrainerOptions())
        for batch in move(iter([minibatch(seed=seed) for seed in range(6)])):
            trainer.step(batch)
        found.append(all_params(nnet))
    assert np.array_equal(*found)


def test_supervision_of_chains_stays_on_the_host(device, rng):
    given = chain_minibatch(rng)
    for batch in uploaded(iter([given])):
        assert batch.outputs == given.outputs
        assert np.array_equal(to_host(batch.inputs["input"][1]), given.inputs["input"][1])


def test_an_error_of_the_reader_arrives(device):
    def batches():
        yield minibatch()
        raise ValueError("the archive ends early")

    with pytest.raises(ValueError, match="ends early"):
        list(uploaded(batches()))


def test_the_thread_ends_when_training_stops(emulated):
    before = threading.active_count()
    ahead = uploaded((minibatch(seed=i) for i in range(100)), 2)
    next(ahead)
    ahead.close()
    assert threading.active_count() == before

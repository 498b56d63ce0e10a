"""Whole steps of training on a device: emulated here, with the CUDA sources compiled for the CPU."""

from __future__ import annotations

import numpy as np

from nnet import tree
from nnet.backend import to_host
from nnet.component import params
from nnet.device import batch_on_gpu
from nnet.trainer import Trainer, TrainerOptions
from tests.networks import minibatch, network


def on_device(nnet):
    """The network with its arrays on the device."""
    nnet.components.update({name: tree.on_device(c) for name, c in nnet.components.items()})
    return nnet


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


def test_training_on_the_device_gives_the_numbers_of_the_host(emulated):
    host, host_lines = trained(network())
    device, device_lines = trained(on_device(network()), move=batch_on_gpu)
    start = {f"{n}.{k}": a for n, c in network().components.items() for k, a in params(c).items()}
    for name, theirs in host.items():
        change = np.abs(theirs - start[name]).max()
        np.testing.assert_allclose(device[name], theirs, atol=1e-3 * change, err_msg=name)
    assert len(device_lines) == len(host_lines)

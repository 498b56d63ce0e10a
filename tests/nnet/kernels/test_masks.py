"""Random masks: numpy's Philox, and the same numbers from the CUDA source."""

import numpy as np
import pytest

from nnet.backend import to_device, to_host
from nnet.kernels.masks import kept, key_of, uniform

SEED = (7 << 32) + 5, 11


def here(dtype=np.float32):
    return np.zeros(1, dtype)


@pytest.mark.parametrize("shape", [(1,), (3, 5, 7), (16,), (4, 33), (0,)])
def test_the_device_keeps_what_the_host_keeps(emulated, shape):
    host = kept(SEED, shape, 0.3, here())
    device = kept(SEED, shape, 0.3, to_device(here()))
    assert device.dtype == bool and np.array_equal(to_host(device), host)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1,), (3, 5, 7), (4, 33)])
def test_the_device_draws_the_floats_of_the_host(emulated, shape, dtype):
    host = uniform(SEED, shape, 0.6, 0.8, here(dtype))
    device = uniform(SEED, shape, 0.6, 0.8, to_device(here(dtype)))
    assert device.dtype == dtype and np.array_equal(to_host(device), host)


def test_the_right_proportion_is_dropped():
    mask = kept(SEED, (400, 500), 0.2, here())
    assert abs((~mask).mean() - 0.2) < 0.003  # three standard deviations
    assert kept(SEED, (100,), 0.0, here()).all() and not kept(SEED, (100,), 1.0, here()).any()


def test_floats_are_uniform():
    u = uniform(SEED, (100_000,), -1.0, 3.0, here())
    assert u.min() >= -1 and u.max() < 2
    counts = np.histogram(u, 10, (-1, 2))[0]
    assert (np.abs(counts - 10_000) < 400).all()  # four standard deviations


def test_minibatches_nodes_and_rows_have_keys_of_their_own():
    seeds = [(1, 2), (2, 1), (1, 2, 3), (1, 3, 2), (1 << 32, 2), ((1 << 63) + 1, 2)]
    assert len({key_of(s) for s in seeds}) == len(seeds)
    masks = [kept(s, (64,), 0.5, here()).tobytes() for s in seeds]
    assert len(set(masks)) == len(seeds)

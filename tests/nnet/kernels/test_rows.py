"""Rows copied and added: numpy's body against a loop, the kernels against numpy's body."""

import numpy as np
import pytest

from nnet.backend import to_device, to_host
from nnet.kernels import rows
from tests.emulation.device import transfers

CASES = [
    (slice(0, 4), slice(0, 5), 1.0, False),
    (slice(1, 8, 2), slice(2, 7), 0.5, False),
    (slice(0, 7, 2), slice(4, 9), -0.75, True),
    (slice(4, 8), slice(3, 8), 1.0, True),
    (np.array([5, 0, 2, 1]), slice(1, 6), 2.0, True),
    (np.array([5, 0, 2, 1]), slice(1, 6), 1.0, False),
]


@pytest.mark.parametrize(("at", "columns", "scale", "add"), CASES)
def test_rows_are_put(rng, host, device, at, columns, scale, add):
    x = rng.standard_normal((8, 3, 9)).astype(np.float32)
    part = rng.standard_normal((9, 3, 10)).astype(np.float32)[1::2, :, 3:8]
    expected = x.copy()
    for i, t in enumerate(range(8)[at] if isinstance(at, slice) else at):
        expected[t, :, columns] = np.float32(scale) * part[i] + (expected[t, :, columns] if add else 0)
    there, far = to_device(x), to_device(np.zeros((9, 3, 10), np.float32))
    far[1::2, :, 3:8] = to_device(part)
    rows.put(x, at, columns, part, scale, add)
    np.testing.assert_allclose(x, expected, rtol=1e-6)
    rows.put(there, rows.near(at, there), columns, far[1::2, :, 3:8], scale, add)
    assert np.array_equal(to_host(there), x)


@pytest.mark.parametrize("add", [False, True])
def test_arrays_of_another_type_are_converted(rng, host, add):
    x, part = np.ones((3, 2, 4), np.float32), rng.standard_normal((3, 2, 4))
    rows.put(x, slice(0, 3), slice(0, 4), part, 0.5, add)
    np.testing.assert_allclose(x, 0.5 * part + add, rtol=1e-6)


@pytest.mark.parametrize("at", [[0, 0, 0, 0], [3, 0, 3, 2], [1, 2, 0, 3], [2, 2, 1, 1]])
def test_rows_that_repeat_add_up(rng, device, at):
    y = rng.standard_normal((4, 2, 5)).astype(np.float32)
    part = rng.standard_normal((4, 2, 3)).astype(np.float32)
    expected = y.copy()
    for i, t in enumerate(at):
        expected[t, :, 1:4] += np.float32(0.5) * part[i]
    there = to_device(y)
    rows.add_repeated(y[:, :, 1:4], np.array(at), part, 0.5)
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-6)
    rows.add_repeated(there[:, :, 1:4], np.array(at), to_device(part), 0.5)
    np.testing.assert_allclose(to_host(there), y, rtol=1e-6, atol=1e-6)


def test_indexes_go_to_the_device_once(emulated):
    there, at = to_device(np.zeros((3, 1, 1))), np.array([2, 0, 1])
    rows.near(at, there)
    transfers.clear()
    assert rows.near(at.copy(), there) is rows.near(at, there) and not transfers["to device"]

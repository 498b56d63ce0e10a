"""Passes that two threads share give the bits that one gives."""

import numpy as np
import pytest

from nnet import cores
from nnet.kernels import normalise, relu, rows, softmax, sums, update

SHAPE = 210, 600


def arrays(rng, count):
    return [rng.standard_normal(SHAPE).astype(np.float32) for _ in range(count)]


def normalised(rng):
    x, dy = arrays(rng, 2)
    y, moments = normalise.forward(x, 1e-3, 1.0)
    return (
        y,
        moments.mean,
        normalise.backward(dy, x, moments, 1.0),
        normalise.backward(dy, x, moments, 1.0, dy),
    )


def clipped(rng):
    (x,) = arrays(rng, 1)
    y, moments = normalise.bias_relu_forward(x, x[0].copy(), 1e-3, 1.0)
    return x, y, moments.scale


def rectified(rng):
    dy, y = arrays(rng, 2)
    return (relu.backward(dy, y),)


def log_softmax(rng):
    x, dy = arrays(rng, 2)
    y = softmax.log_softmax(x.reshape(30, 7, -1))
    dx = softmax.log_softmax_backward(dy.reshape(y.shape), y)
    assert np.array_equal(softmax.log_softmax_backward(dy.reshape(y.shape), y, dy.reshape(y.shape)), dx)
    return y, dx, dy


def of_columns(rng):
    a, b = arrays(rng, 2)
    return *sums.column_totals(a, b), *sums.column_activity(a)


def moved(rng):
    a, b, y = (x.reshape(30, 7, -1) for x in arrays(rng, 3))
    into = np.empty((40, 7, 1200), np.float32)
    into[...] = 1
    rows.put_sum(into, slice(5, 35, 1), slice(300, 900), (a, 0.5), (b, -2.0))
    rows.put(y, slice(0, 30, 1), slice(None), a, 0.7, add=True)
    rows.put(b, slice(0, 30, 1), slice(None), a, 0.7)
    return into, y, b


def updated(rng):
    w, d = (rng.standard_normal(20 * update.CHUNK).astype(np.float32) for _ in range(2))
    table = update.Table(np.array([0, 9, 10, 20]), np.array([-0.1, 0.0, -0.3]), np.array([0.5, 0.0, 0.2]))
    held = update.decision(w, table)
    update.limits(held, d, w, np.ones(1, np.int32), update.Limits(1.0, 0.5, 1.0, 2.0))
    update.apply(held, w, d, 0.9)
    return w, d, held.factors, held.counts


PASSES = [normalised, clipped, rectified, log_softmax, of_columns, moved, updated]


@pytest.mark.parametrize("passes", PASSES, ids=lambda p: p.__name__)
def test_two_threads_give_the_same_bits(host, monkeypatch, passes):
    monkeypatch.setattr(cores, "count", lambda: 1)
    alone = passes(np.random.default_rng(0))
    monkeypatch.setattr(cores, "count", lambda: 2)
    monkeypatch.setattr(cores, "ENOUGH", 1)
    shared, share = [], cores.share
    monkeypatch.setattr(cores, "share", lambda *args: shared.append(share(*args)))
    together = passes(np.random.default_rng(0))
    for one, two in zip(alone, together, strict=True):
        assert np.array_equal(one, two)
    assert shared or host == "numpy"

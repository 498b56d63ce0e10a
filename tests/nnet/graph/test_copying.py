"""Rows on their way between nodes: what is summed, and whose arrays are changed for it."""

import numpy as np
import pytest

from nnet.component import Io
from nnet.components.activations import RectifiedLinear
from nnet.components.normalize import BatchNorm
from nnet.graph.copying import Gradients, run_copies
from nnet.graph.steps import Copy

SHAPE = (5, 2, 3)
ALL = slice(0, 3)


def copy(source="a", src=slice(0, 5, 1), dst=slice(0, 5, 1), scale=1.0, add=False, whole=True, repeats=False):
    return Copy(source, src, ALL, dst, ALL, scale, add, whole, repeats)


WHOLE = copy()
HALF = copy(scale=0.5)
PART = copy(src=slice(1, 4, 1), dst=slice(0, 3, 1), scale=0.25, whole=False)
SCATTERED = copy(src=np.array([3, 0]), dst=slice(0, 2, 1), whole=False)


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize(
    "copies",
    [
        [WHOLE, PART],
        [PART, WHOLE],
        [PART, PART],
        [WHOLE, WHOLE],
        [HALF, WHOLE],
        [WHOLE, HALF],
        [HALF, HALF],
        [PART],
        [PART, SCATTERED, WHOLE],
        [SCATTERED, WHOLE, HALF],
    ],
)
def test_contributions_add_up_and_only_what_is_free_is_changed(rng, copies, free):
    grads, expected, arrays, before = Gradients({"a": SHAPE}), np.zeros(SHAPE), [], []
    for c in copies:
        dx = rng.standard_normal((range(5)[c.dst].stop, *SHAPE[1:]))
        before.append(dx.copy())
        arrays.append(dx)
        at = range(5)[c.src] if isinstance(c.src, slice) else c.src
        expected[list(at)] += c.scale * dx
        grads.add(c, dx, free)
    dy, own = grads.pop("a")
    np.testing.assert_allclose(dy, expected)
    if not free:
        assert all(np.array_equal(*pair) for pair in zip(arrays, before))
    assert own == (free or copies != [WHOLE])
    assert own or dy.base is arrays[0] or dy is arrays[0]
    assert grads.pop("a") == (None, False)


def test_an_array_that_others_read_is_not_given_away(rng):
    grads = Gradients({"a": SHAPE, "b": SHAPE})
    dx = rng.standard_normal(SHAPE)
    grads.add(copy("a"), dx)
    grads.add(copy("b"), dx)
    assert [grads.pop(name)[1] for name in "ab"] == [False, False]


@pytest.mark.parametrize("columns", [ALL, slice(2, 5)])
@pytest.mark.parametrize("second", [{}, {"add": True}, {"add": True, "dst": slice(0, 3, 1)}])
def test_what_is_added_to_a_copy_goes_along_with_it(rng, columns, second):
    ys = {name: rng.standard_normal(SHAPE).astype(np.float32) for name in "ab"}
    x = np.full((5, 2, 6), 9.0, np.float32)
    pair = [copy("a", scale=0.66), copy("b", **second)]
    pair = [Copy(c.source, c.dst, ALL, c.dst, columns, c.scale, c.add, True, False) for c in pair]
    run_copies(pair, x, ys)
    expected = np.full((5, 2, 6), 9.0)
    for c in pair:
        part = c.scale * ys[c.source][c.dst].astype(float)
        expected[c.dst, :, columns] = part + (expected[c.dst, :, columns] if c.add else 0)
    np.testing.assert_allclose(x, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("test_mode", [False, True])
@pytest.mark.parametrize("kind", [RectifiedLinear, BatchNorm])
def test_derivatives_overwrite_those_they_come_from(rng, kind, test_mode):
    c = kind(dim=3, block_dim=3)
    if kind is BatchNorm:
        c.stats_sum, c.stats_sumsq, c.test_mode = np.zeros(3), np.zeros(3), test_mode
    assert c.OVERWRITES
    x, dy = rng.standard_normal((2, *SHAPE)).astype(np.float32)
    io = Io(tuple(range(5)), tuple(range(5)), 2)
    y, memo = c.forward(x, io)
    dx, given = c.backward(dy, x, y, memo, io), dy.copy()
    assert np.array_equal(c.backward(given, x, y, memo, io, out=given), dx)

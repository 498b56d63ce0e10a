"""Blocks of rows: each row once, in order, no block beyond the cache."""

import numpy as np
import pytest

from nnet.kernels.blocks import CACHE, apply, blocks, sums

SHAPE = (3000, 768)


@pytest.mark.parametrize("shape", [(0, 5), (1, 5), (1000, 300), (7, CACHE), (20, 32, 768)])
def test_every_row_is_in_one_block(shape):
    x = np.zeros(shape, np.float32)
    covered = [i for at in blocks(x) for i in range(at.start, at.stop)]
    assert covered == list(range(len(x)))


def test_blocks_fit_in_the_cache():
    x = np.zeros(SHAPE, np.float32)
    sizes = [x[at].nbytes for at in blocks(x)]
    assert max(sizes) <= CACHE
    assert min(sizes[:-1]) > CACHE / 2


def test_sums_of_blocks_are_those_of_the_whole(rng):
    x = rng.standard_normal(SHAPE)
    total, square = sums(x, lambda at: (x[at].sum(axis=0), (x[at] ** 2).sum(axis=0)))
    np.testing.assert_allclose(total, x.sum(axis=0), rtol=1e-10)
    np.testing.assert_allclose(square, (x**2).sum(axis=0), rtol=1e-10)


def test_a_function_applied_by_blocks_is_applied_to_every_row(rng):
    x, y = rng.standard_normal((2, *SHAPE))
    assert np.array_equal(apply(np.subtract, x, y), x - y)

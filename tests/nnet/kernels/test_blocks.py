"""Blocks of rows: each row once, in order, no block beyond the cache."""

import numpy as np
import pytest

from nnet.kernels.blocks import CACHE, blocks


@pytest.mark.parametrize("shape", [(0, 5), (1, 5), (1000, 300), (7, CACHE)])
def test_every_row_is_in_one_block(shape):
    x = np.zeros(shape, np.float32)
    covered = [i for at in blocks(x) for i in range(at.start, at.stop)]
    assert covered == list(range(len(x)))


def test_blocks_fit_in_the_cache():
    x = np.zeros((3000, 768), np.float32)
    sizes = [x[at].nbytes for at in blocks(x)]
    assert max(sizes) <= CACHE
    assert min(sizes[:-1]) > CACHE / 2

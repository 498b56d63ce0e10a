"""Small examples for the tests."""

from __future__ import annotations

import numpy as np

from nnet.formats.examples import NnetExample, NnetIo
from nnet.formats.matrix import CompressedMatrix, SparseMatrix, dense, from_pairs


def indexes(frames, n=0):
    return np.array([(n, t, 0) for t in frames], np.int32).reshape(-1, 3)


def frame_example(rng, labels=4, left=2, right=1, dim=3, classes=5, ivector=0, step=1):
    """Input frames -left ... , an i-vector if its dim is given, one class per labelled frame."""
    last = (labels - 1) * step + right
    io = [NnetIo("input", indexes(range(-left, last + 1)), values(rng, left + last + 1, dim))]
    if ivector:
        io.append(NnetIo("ivector", indexes([0]), values(rng, 1, ivector)))
    posterior = [[(int(c), 1.0)] for c in rng.integers(0, classes, labels)]
    io.append(NnetIo("output", indexes(range(0, labels * step, step)), from_pairs(posterior, classes)))
    return NnetExample(io)


def values(rng, rows, cols):
    return rng.standard_normal((rows, cols)).astype(np.float32)


def same_example(a, b):
    """Whether names, indexes, kinds of matrices and values are equal."""
    return len(a.io) == len(b.io) and all(same_io(x, y) for x, y in zip(a.io, b.io))


def same_io(x, y):
    kinds = [(isinstance(m, SparseMatrix), isinstance(m, CompressedMatrix)) for m in (x.features, y.features)]
    return (
        x.name == y.name
        and np.array_equal(x.indexes, y.indexes)
        and kinds[0] == kinds[1]
        and np.array_equal(dense(x.features), dense(y.features))
    )

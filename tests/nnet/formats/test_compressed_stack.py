"""Compressing and decompressing many matrices at once gives bit for bit what one by one gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nnet.formats.compressed import Method, compress
from nnet.formats.compressed_stack import compress_stack, dense_stack


def matrices(rng, rows):
    x = (rng.standard_normal((9, rows, 6)) * 10.0 ** rng.integers(-3, 4, (9, 1, 1))).astype(np.float32)
    x[3] = 2.5  # constant
    x[5, :, 2] = -1.0  # a constant column
    x[6] = np.round(x[6])  # many ties
    x[7] = 1e6 + 0.05 * x[7] / np.abs(x[7]).max()  # a range as narrow as the precision: percentiles coincide
    x[8] = 1e-33 * x[8] / np.abs(x[8]).max()
    return x


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 8, 9, 12, 31, 300])
def test_a_stack_is_compressed_as_its_matrices_are_one_by_one(rng, rows):
    x = matrices(rng, rows)
    for ours, alone in zip(compress_stack(x), map(compress, x), strict=True):
        assert ours.storage == alone.storage
        assert (ours.min_value, ours.value_range) == (alone.min_value, alone.value_range)
        assert np.array_equal(ours.codes, alone.codes) and ours.codes.dtype == alone.codes.dtype
        if alone.percentiles is not None:
            assert np.array_equal(ours.percentiles, alone.percentiles)


@pytest.mark.parametrize("method", [Method.SPEECH_FEATURE, Method.TWO_BYTE_AUTO, Method.ONE_BYTE_AUTO])
@pytest.mark.parametrize("rows", [1, 9, 300])
def test_a_stack_is_decompressed_as_its_matrices_are_one_by_one(rng, rows, method):
    parts = [compress(m, method) for m in matrices(rng, rows)]
    together = dense_stack(parts)
    assert together.dtype == np.float32 and together.shape == (rows, 9, 6)
    for e, part in enumerate(parts):
        assert np.array_equal(together[:, e], part.dense())


def test_every_code_of_a_column_is_decompressed_alike(rng):
    part = compress(rng.standard_normal((256, 4)).astype(np.float32), Method.SPEECH_FEATURE)
    part.codes[:] = np.arange(256, dtype=np.uint8)[:, None]
    assert np.array_equal(dense_stack([part])[:, 0], part.dense())


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(rng, wrong):
    x = matrices(rng, 9)
    x[4, 3, 2] = wrong
    with pytest.raises(ValueError, match="cannot be compressed: not finite"):
        compress_stack(x)


def test_an_empty_stack_is_refused():
    with pytest.raises(ValueError, match="holds no matrices"):
        compress_stack(np.zeros((0, 3, 4), np.float32))


@pytest.mark.parametrize("count", [1, 2])
def test_codes_in_the_order_of_files_are_decompressed_as_well(rng, count):
    made = [compress(rng.normal(size=(45, 40)), Method.SPEECH_FEATURE) for _ in range(count)]
    read = [replace(m, codes=np.asfortranarray(m.codes)) for m in made]  # files hold columns
    stack = dense_stack(read)
    for i, m in enumerate(made):
        np.testing.assert_array_equal(stack[:, i], m.dense())

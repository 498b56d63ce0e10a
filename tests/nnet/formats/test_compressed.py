"""Compressed matrices against Kaldi's own code (kaldi_native_io) and Kaldi's rules for row ranges."""

from __future__ import annotations

import io

import numpy as np
import pytest

from nnet.formats.compressed import SPEECH, TWO_BYTES, CompressedMatrix, Method, compress
from nnet.formats.matrix import read_general_matrix, write_matrix
from nnet.formats.reader import KaldiInput
from nnet.formats.writer import KaldiOutput

SHAPES = [
    (1, 1),
    (1, 7),
    (2, 3),
    (3, 5),
    (4, 2),
    (5, 3),
    (7, 4),
    (8, 4),
    (9, 4),
    (13, 1),
    (255, 3),
    (300, 40),
]


def matrices(rng: np.random.Generator, shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """Matrices of one shape that lead through all branches of the formulas."""
    x = rng.standard_normal(shape).astype(np.float32)
    skewed = (np.exp(3 * x) * rng.choice([-1, 1], shape)).astype(np.float32)
    return {
        "normal": x,
        "skewed": skewed,
        "constant": np.full(shape, -3.25, np.float32),
        "constant columns": np.tile(x[:1], (shape[0], 1)),
        "zero": np.zeros(shape, np.float32),
        "integers": rng.integers(-40000, 40000, shape).astype(np.float32),
        "bytes": rng.integers(0, 256, shape).astype(np.float32),
        "tiny": (x * 1e-38).astype(np.float32),
        "huge": (x * 1e37).astype(np.float32),
        "zero to one": rng.random(shape, np.float32),
        "ties": np.round(x).astype(np.float32),
        "double": x.astype(np.float64) * np.pi,
    }


def as_bytes(m: object) -> bytes:
    stream = io.BytesIO()
    write_matrix(KaldiOutput(stream), m)
    return stream.getvalue()


def from_bytes(data: bytes) -> CompressedMatrix:
    m = read_general_matrix(KaldiInput(io.BytesIO(data)))
    assert isinstance(m, CompressedMatrix)
    return m


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_codes_and_values_equal_kaldis_bit_for_bit(method, shape, rng, tmp_path):
    native = pytest.importorskip("kaldi_native_io")
    cases = matrices(rng, shape)
    with native.CompressedMatrixWriter(f"ark,scp:{tmp_path}/a.ark,{tmp_path}/a.scp") as writer:
        for name, x in cases.items():
            writer.write(name.replace(" ", "-"), x, native.CompressionMethod(method.value))
    places = dict(line.split() for line in (tmp_path / "a.scp").read_text().splitlines())
    for name, x in cases.items():
        place = places[name.replace(" ", "-")]
        offset = int(place.rpartition(":")[2])
        theirs = (tmp_path / "a.ark").read_bytes()[offset + 2 :]
        ours = as_bytes(compress(x, method))
        assert theirs.startswith(ours), f"{name}: bytes differ"
        values = from_bytes(ours).dense()
        assert np.array_equal(values, native.FloatMatrix.read(place).numpy()), f"{name}: values differ"


@pytest.mark.parametrize("method", list(Method))
def test_what_is_read_is_written_again_byte_for_byte(method, rng):
    data = as_bytes(compress(rng.standard_normal((20, 6)), method))
    assert as_bytes(from_bytes(data)) == data


def test_automatic_method_takes_two_bytes_up_to_eight_rows():
    assert compress(np.ones((8, 2))).storage == TWO_BYTES
    assert compress(np.ones((9, 2))).storage == SPEECH


@pytest.mark.parametrize("method", [Method.SPEECH_FEATURE, Method.TWO_BYTE_AUTO, Method.ONE_BYTE_AUTO])
@pytest.mark.parametrize(("start", "count"), [(0, 20), (3, 9), (-4, 15), (12, 20), (-3, 40)])
def test_row_range_keeps_codes_and_repeats_the_border_rows(method, start, count, rng):
    m = compress(rng.standard_normal((20, 3)), method)
    wanted = np.clip(np.arange(start, start + count), 0, 19)
    part = m.row_range(start, count, pad=True)
    assert part.storage == m.storage
    assert np.array_equal(part.dense(), m.dense()[wanted])


def test_short_row_range_of_speech_features_is_compressed_anew_with_two_bytes(rng):
    m = compress(rng.standard_normal((20, 3)), Method.SPEECH_FEATURE)
    part = m.row_range(2, 7)
    assert as_bytes(part) == as_bytes(compress(m.dense()[2:9], Method.TWO_BYTE_AUTO))


def test_row_range_without_padding_refuses_missing_rows():
    with pytest.raises(ValueError, match="rows 3 to 8 wanted, the matrix has 8 rows"):
        compress(np.ones((8, 2))).row_range(3, 6)


def test_scale_changes_the_range_only():
    m = compress(np.linspace(-1, 1, 30).reshape(10, 3))
    assert np.array_equal(m.scale(2.0).codes, m.codes)
    assert np.allclose(m.scale(2.0).dense(), 2 * m.dense())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match="not finite"):
        compress(np.array([[1.0, bad]]))


def test_an_unknown_method_is_named():
    with pytest.raises(ValueError, match="compression method 9 is not one of 1 to 7"):
        compress(np.ones((2, 2)), 9)


def test_an_empty_matrix_survives():
    assert compress(np.zeros((0, 0))).dense().shape == (0, 0)
    assert as_bytes(compress(np.zeros((0, 0)))) == b"FM " + b"\4\0\0\0\0" * 2

"""What rounded.c and speech_values compute is what numpy's bodies do, to the last bit."""

import numpy as np
import pytest

from nnet.formats.compressed_stack import decompress
from nnet.kernels import compiled
from nnet.rounded_blas import gram, times, times_transposed, transposed_times
from nnet.rounded_eigen import eigen, tridiagonalize


@pytest.fixture
def by_both(monkeypatch):
    """The arrays that a function returns with numpy's bodies, and with the compiled ones, as bytes."""
    if compiled.function("rounded_block", "f") is None:
        pytest.skip("nothing was compiled when the package was installed, or of other sources")

    def run(function):
        found = []
        for library in (lambda dtype: None, compiled._library):
            with monkeypatch.context() as patch:
                patch.setattr(compiled, "_library", library)
                compiled.function.cache_clear()
                made = function()
            found.append([a.tobytes() for a in (made if isinstance(made, tuple) else (made,))])
        compiled.function.cache_clear()
        return found

    return run


@pytest.mark.parametrize("n", [1, 2, 3, 5, 31, 33, 48, 49, 52, 63, 65, 80, 97])
@pytest.mark.parametrize("rank", [1, 20, 200])
@pytest.mark.parametrize("size", [1e-12, 1.0, 1e4])
def test_eigenvectors(rng, by_both, n, rank, size):
    Y = (size * rng.standard_normal((n, min(n, rank)))).astype(np.float32)
    for function in (tridiagonalize, eigen):
        numpys, compileds = by_both(lambda f=function: f(Y @ Y.T))
        assert numpys == compileds


def test_eigenvectors_of_matrices_with_zeros(rng, by_both):
    for Z in (np.zeros((6, 6)), np.diag(rng.standard_normal(70)), np.ones((50, 50))):
        numpys, compileds = by_both(lambda Z=Z: eigen(Z.astype(np.float32)))
        assert numpys == compileds


@pytest.mark.parametrize(("m", "k", "n"), [(1, 1, 1), (60, 700, 40), (33, 321, 17), (96, 128, 48)])
def test_products(rng, by_both, m, k, n):
    A, B = (rng.standard_normal(shape).astype(np.float32) for shape in ((m, k), (k, n)))
    turned = np.asfortranarray(A), np.asfortranarray(B)
    for left, right in ((A, B), turned):
        numpys, compileds = by_both(
            lambda a=left, b=right: (
                times(a, b),
                gram(a),
                transposed_times(np.ascontiguousarray(a.T), b),
                times_transposed(a, np.ascontiguousarray(b.T)),
            )
        )
        assert numpys == compileds


def test_values_of_compressed_speech(rng, by_both):
    codes = rng.integers(0, 256, (26, 9, 13)).astype(np.uint8)
    codes[:4, 0, 0] = 64, 65, 192, 193  # where one range ends
    low, width = (rng.standard_normal(9) ** 2).astype(np.float32), np.full(9, 3.5, np.float32)
    percentiles = np.sort(rng.integers(0, 65536, (9, 13, 4)), axis=-1).astype(np.uint16)
    numpys, compileds = by_both(lambda: decompress(codes, low, width, percentiles, None))
    assert numpys == compileds

"""Matrix products: row-major strided views told to cuBLAS, which reads columns first; numpy stands for it."""

import numpy as np
import pytest

from nnet.backend import to_device, to_host
from nnet.kernels import products
from nnet.kernels.products import multiply, use_tf32


def rows(x):
    """Rows that lie apart, columns side by side: a slice of columns."""
    wide = np.zeros((x.shape[0], x.shape[1] + 5), x.dtype)
    wide[:, 2:-3] = x
    return wide, (slice(None), slice(2, -3)), False


def every_other(x):
    """Every other row."""
    tall = np.zeros((2 * x.shape[0], x.shape[1]), x.dtype)
    tall[::2] = x
    return tall, (slice(None, None, 2),), False


def transposed(x):
    """The transpose of a slice of columns."""
    base, key, _ = rows(np.ascontiguousarray(x.T))
    return base, key, True


def scattered(x):
    """Neither rows nor columns are contiguous."""
    wide = np.zeros((x.shape[0], 2 * x.shape[1]), x.dtype)
    wide[:, ::2] = x
    return wide, (slice(None), slice(None, None, 2)), False


LAYOUTS = [rows, every_other, transposed, scattered]
SHAPES = [(4, 3, 5), (1, 3, 5), (4, 1, 5), (4, 3, 1), (1, 1, 1), (7, 7, 7)]


def view(base, key, is_transposed):
    found = base[key]
    return found.T if is_transposed else found


def there(layout, x):
    base, key, is_transposed = layout(x)
    base = to_device(base)
    return base, view(base, key, is_transposed)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("c_layout", LAYOUTS)
@pytest.mark.parametrize("b_layout", LAYOUTS)
@pytest.mark.parametrize("a_layout", LAYOUTS)
def test_views_are_multiplied_as_they_lie(rng, emulated, shape, a_layout, b_layout, c_layout):
    m, k, n = shape
    a, b, c = (rng.standard_normal(s).astype(np.float32) for s in ((m, k), (k, n), (m, n)))
    _, far_a = there(a_layout, a)
    _, far_b = there(b_layout, b)
    base, far_c = there(c_layout, c)
    np.testing.assert_allclose(to_host(multiply(far_a, far_b)), a @ b, atol=1e-5)
    assert multiply(far_a, far_b, far_c, add=True) is far_c
    np.testing.assert_allclose(to_host(far_c), c + a @ b, atol=1e-5)
    multiply(far_a, far_b, far_c)
    np.testing.assert_allclose(to_host(far_c), a @ b, atol=1e-5)
    expected, key, is_transposed = c_layout(c)
    view(expected, key, is_transposed)[...] = a @ b
    np.testing.assert_allclose(to_host(base), expected, atol=1e-5)  # nothing beside it was touched


def test_numpy_does_the_same(rng):
    a, b, c = rng.standard_normal((4, 3)), rng.standard_normal((3, 5)), rng.standard_normal((4, 5))
    expected = c + a @ b
    assert np.array_equal(multiply(a, b), a @ b)
    np.testing.assert_allclose(multiply(a, b, c, add=True), expected)
    assert np.array_equal(multiply(a, b, c), a @ b) and np.array_equal(c, a @ b)


@pytest.mark.parametrize(("m", "k", "n"), [(0, 3, 2), (3, 0, 2), (3, 2, 0)])
def test_nothing_times_nothing(emulated, m, k, n):
    out = to_device(np.ones((m, n), np.float32))
    a, b = to_device(np.ones((m, k), np.float32)), to_device(np.ones((k, n), np.float32))
    assert not to_host(multiply(a, b, out)).any()


def test_contiguous_operands_and_views_are_not_copied(emulated):
    x = to_device(np.ones((6, 8), np.float32))
    for part in (x, x.T, x[:, 2:5], x[::2], x[:, 2:5].T, x[1:2], x[:, 1:2]):
        assert products.operand(part).array is part


def test_precision_is_chosen_by_call(emulated):
    library = products._library(emulated)
    x, y = (to_device(np.ones((2, 2), dtype)) for dtype in (np.float32, np.float64))
    multiply(x, x)
    use_tf32(emulated, True)
    multiply(x, x)
    multiply(x, x, exact=True)
    multiply(y, y)
    assert [c[1] for c in library.functions.calls if c[0] == "gemm"] == [68, 77, 68, 70]


def test_memory_is_given_again_with_another_stream(emulated):
    calls = products._library(emulated).functions.calls
    x = to_device(np.ones((2, 2), np.float32))
    multiply(x, x)
    multiply(x, x)
    with emulated.cuda.Stream(non_blocking=True) as stream:
        multiply(x, x)
    room = ("workspace", 101, 4096, products.WORKSPACE)
    once = [("stream", 101, None), room, ("gemm", 68), ("gemm", 68)]
    assert calls == [("create",), *once, ("stream", 101, stream.ptr), room, ("gemm", 68)]


def test_a_refusal_is_an_error(emulated, monkeypatch):
    library = products._library(emulated)
    monkeypatch.setattr(library.functions, "cublasGemmEx", lambda *arguments: 13)
    x = to_device(np.ones((2, 2), np.float32))
    with pytest.raises(RuntimeError, match="cublasGemmEx failed with status 13"):
        multiply(x, x)

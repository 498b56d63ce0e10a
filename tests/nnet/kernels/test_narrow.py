"""Matrices in bfloat16: rounding, and products by oneDNN or by numpy."""

import numpy as np
import pytest

from nnet.kernels import cblas, compiled, narrow, onednn

EXACT = [1.0, -2.5, 0.0, -0.0, np.inf, -np.inf, 2.0**-130, 3.0e38]
ROUNDED = {1 + 2**-8: 1.0, 1 + 3 * 2**-8: 1 + 2**-6, 1 + 2**-8 + 2**-20: 1 + 2**-7, -1 - 2**-7: -1 - 2**-7}


@pytest.fixture(params=["compiled", "numpy's"])
def body(request, monkeypatch):
    """Either body of `narrow`."""
    if request.param == "numpy's":
        monkeypatch.setattr(narrow, "function", lambda name, char: None)
    elif compiled.function("narrow", "f") is None:
        pytest.skip("nothing was compiled")


@pytest.fixture(params=["oneDNN's", "numpy's"])
def gemm(request, monkeypatch):
    """Either product."""
    made = onednn.bfloat16_gemm() if request.param == "oneDNN's" else None
    if made is None and request.param == "oneDNN's":
        pytest.skip("oneDNN (the extra onednn) is not installed, or the processor has no bfloat16")
    monkeypatch.setattr(cblas, "bfloat16_gemm", lambda: made)


def test_rounds_to_even_and_keeps_what_is_no_number(body):
    x = np.array([[*EXACT, *ROUNDED]], np.float32)
    y, _ = narrow.narrow(x)
    there = narrow.widened(y)[0]
    exact = x[0, : len(EXACT)]
    assert np.allclose(there[: len(EXACT)], exact, rtol=2**-8) and np.isinf(there[4:6]).all()
    assert list(there[len(EXACT) :]) == list(ROUNDED.values())
    bits = np.array([[0x7F800001, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFC00000]], np.uint32)
    with np.errstate(invalid="ignore"):  # the first one signals
        y, _ = narrow.narrow(bits.view(np.float32))
    assert np.isnan(narrow.widened(y)).all()


@pytest.mark.parametrize("shape", [(1, 1), (3, 31), (5, 32), (4, 100)])
def test_of_rows_that_lie_apart(rng, body, shape):
    whole = rng.standard_normal((shape[0] + 1, shape[1] + 7)).astype(np.float32)
    x = whole[1:, 3 : 3 + shape[1]]
    y, energy = narrow.narrow(x)
    assert y.shape == shape and y.dtype == np.uint16 and y.flags.c_contiguous
    assert np.abs(narrow.widened(y) - x).max() <= 2**-8 * np.abs(x).max()
    assert energy == pytest.approx((x.astype(np.float64) ** 2).sum(), rel=1e-6)


def test_both_bodies_give_the_same_bits(rng, monkeypatch):
    x = (rng.standard_normal((40, 50)) * 10.0 ** rng.integers(-30, 30, (40, 50))).astype(np.float32)
    one, _ = narrow.narrow(x)
    monkeypatch.setattr(narrow, "function", lambda name, char: None)
    assert np.array_equal(one, narrow.narrow(x)[0])


@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("by_columns", [False, True])
def test_products_are_those_of_the_rounded_numbers(rng, gemm, add, by_columns):
    a, _ = narrow.narrow(rng.standard_normal((20, 50)).astype(np.float32))
    b, _ = narrow.narrow(rng.standard_normal((50, 33)).astype(np.float32))
    if by_columns:
        b = np.ascontiguousarray(b.T).T
    wide = rng.standard_normal((20, 40)).astype(np.float32)
    out, around = wide[:, 2:35], wide.copy()
    expected = narrow.widened(a).astype(float) @ narrow.widened(b) + (out if add else 0)
    narrow.multiply_narrow(a, b, out, add)
    assert out == pytest.approx(expected, abs=1e-4)
    assert np.array_equal(np.delete(wide, range(2, 35), axis=1), np.delete(around, range(2, 35), axis=1))


def test_pays_only_with_a_product_and_a_compiled_pass(monkeypatch):
    for product, run in ((None, None), (None, len), (len, None), (len, len)):
        monkeypatch.setattr(cblas, "bfloat16_gemm", lambda product=product: product)
        monkeypatch.setattr(narrow, "function", lambda name, char, run=run: run)
        assert narrow.pays() is (product is not None and run is not None)

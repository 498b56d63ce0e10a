"""Products through CBLAS: the OpenBLAS inside numpy, MKL if it is here, and a library made for the test."""

import ctypes
import dataclasses
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress

import numpy as np
import pytest

from nnet import cores
from nnet.kernels import cblas, onednn
from nnet.kernels.products import multiply

# What MKL has, for matrices so small that it does not matter how; it counts its calls.
STAND_IN = """
int layer = -1, calls = 0;
int interface = -1;
int MKL_Get_Max_Threads(void) { return 1; } /* asked by threadpoolctl, which sees all libraries so named */
int MKL_Set_Interface_Layer(int one) { return interface = one; }
int MKL_Set_Threading_Layer(int one) { return layer = one < 0 ? layer : one; }
#define GEMM(name, real) \\
void name(int order, int ta, int tb, int m, int n, int k, real alpha, const real *a, int lda, \\
          const real *b, int ldb, real beta, real *c, int ldc) \\
{ \\
    __atomic_fetch_add(&calls, 1, __ATOMIC_SEQ_CST); \\
    for (int i = 0; i < m; i++) \\
        for (int j = 0; j < n; j++) { \\
            real sum = 0; \\
            for (int l = 0; l < k; l++) \\
                sum += (ta == 111 ? a[i * lda + l] : a[l * lda + i]) \\
                       * (tb == 111 ? b[l * ldb + j] : b[j * ldb + l]); \\
            c[i * ldc + j] = alpha * sum + (beta == 0 ? 0 : beta * c[i * ldc + j]); \\
        } \\
}
GEMM(cblas_sgemm, float)
GEMM(cblas_dgemm, double)
"""


@pytest.fixture
def afresh(monkeypatch):
    """Lets libraries be looked for anew."""
    held = cblas.library, cblas._gemm, cblas.bfloat16_gemm
    monkeypatch.delenv("MKLROOT", raising=False)
    monkeypatch.delenv("PYNNET3_BLAS", raising=False)
    monkeypatch.setattr(cblas, "_sharing", False)
    monkeypatch.setattr(cblas, "_program", False)
    for function in held:
        function.cache_clear()
    yield monkeypatch
    for function in held:
        function.cache_clear()


@pytest.fixture
def numpys(afresh):
    """OpenBLAS as numpy's wheels have it."""
    afresh.setenv("PYNNET3_BLAS", "numpy")
    if cblas.library() is None:
        pytest.skip("numpy has another BLAS than its wheels have")
    return afresh


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """An MKLROOT with the stand-in for libmkl_rt."""
    if not shutil.which("cc"):
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("mkl") / "lib"
    folder.mkdir()
    (folder / "libmkl_core.so.9").touch()
    (folder / "blas.c").write_text(STAND_IN)
    command = ["cc", "-shared", "-fPIC", "-o", str(folder / "libmkl_rt.so.9"), str(folder / "blas.c")]
    subprocess.run(command, check=True)
    return folder.parent


@pytest.fixture
def stand_in(afresh, root, tmp_path):
    """The stand-in as the only MKL."""
    afresh.setenv("PYNNET3_BLAS", "mkl")  # whoever made the processor
    afresh.setenv("MKLROOT", str(root))
    afresh.setattr(cblas.sys, "prefix", str(tmp_path))
    found = cblas.library()
    assert found is not None and found.shares
    return found.functions


@pytest.fixture
def mkl(afresh):
    """MKL itself."""
    if not list(cblas.mkl_paths()):
        pytest.skip("MKL (the extra mkl) is not installed")
    afresh.setenv("PYNNET3_BLAS", "mkl")


@pytest.fixture
def onednns(afresh):
    """oneDNN beside OpenBLAS, for products of any size."""
    if onednn.sgemm() is None:
        pytest.skip("oneDNN (the extra onednn) is not installed")
    afresh.setenv("PYNNET3_BLAS", "onednn")
    afresh.setattr(cblas, "LARGE", 0)
    return afresh


def laid(rng, m, n, dtype, how):
    """A matrix (m, n) by rows, by columns, or as part of a wider one of either kind."""
    if how.endswith("columns"):
        return laid(rng, n, m, dtype, how.replace("columns", "rows")).T
    wide = rng.standard_normal((m + 2, n + 3)).astype(dtype)
    return wide[1:-1, 2:-1] if how.startswith("part") else wide[1:-1, 2:-1].copy()


LAYOUTS = ["rows", "columns", "part of rows", "part of columns"]
SOME = [(a, b, LAYOUTS[i - j]) for i, a in enumerate(LAYOUTS) for j, b in enumerate(LAYOUTS)]
SHAPES = [(4, 3, 5), (1, 3, 5), (4, 1, 5), (4, 3, 1), (1, 1, 1), (7, 7, 7)]


def agree(rng, dtype, shape, layouts, add):
    m, k, n = shape
    a, b, out = (laid(rng, *s, dtype, how) for s, how in zip(((m, k), (k, n), (m, n)), layouts))
    expected = a @ b if add == 0 else out + add * (a @ b)
    around = out.base.copy() if out.base is not None else None
    assert cblas.product(a, b, out, add=add)
    assert out == pytest.approx(expected, rel=1e-5, abs=1e-5)
    if around is not None:  # nothing beside it was touched
        changed = int((out.base != around).sum())
        assert changed <= out.size


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("add", [0, 1, -1, 2.5])
@pytest.mark.parametrize("shape", SHAPES)
class TestEveryLayout:
    """Each of the libraries, on views as they lie."""

    @pytest.mark.parametrize("layouts", SOME)
    def test_stand_in(self, rng, stand_in, dtype, add, shape, layouts):
        agree(rng, dtype, shape, layouts, add)

    @pytest.mark.parametrize("layouts", SOME)
    def test_numpys(self, rng, numpys, dtype, add, shape, layouts):
        if add == 0:
            numpys.setattr(cblas, "_sharing", True)
            cblas.library.cache_clear()
        agree(rng, dtype, shape, layouts, add)


def test_mkl_itself(rng, mkl):
    for layouts in SOME:
        for shape in SHAPES:
            for add in (0, 1, -1, 2.5):
                agree(rng, np.float32, shape, layouts, add)
                agree(rng, np.float64, shape, layouts, add)


def same_bits_at_any_address(rng):
    """Returns the factors and their product."""
    a, b = (rng.standard_normal(s).astype(np.float32) for s in ((64, 96), (96, 80)))
    whole = multiply(a, b)
    for start in (1, 2, 3, 5):
        room = np.empty(a.size + 16, np.float32)
        moved = room[start : start + a.size].reshape(a.shape)
        moved[...] = a
        assert np.array_equal(multiply(moved, b), whole)
    return a, b, whole


def test_mkl_gives_the_same_bits_at_any_address(rng, mkl):
    same_bits_at_any_address(rng)


def test_onednn_itself(rng, onednns):
    assert cblas.library().takes("f", 1) and not cblas.library().takes("d", 1)
    for layouts in SOME:
        for shape in SHAPES:
            for add in (0, 1, -1, 2.5):
                agree(rng, np.float32, shape, layouts, add)


def test_onednn_gives_the_same_bits_at_any_address_and_from_any_thread(rng, onednns):
    a, b, whole = same_bits_at_any_address(rng)
    with ThreadPoolExecutor(1) as other:
        assert np.array_equal(other.submit(multiply, a, b).result(), whole)


def test_onednn_makes_products_large_enough_and_only_those_of_float32(rng, onednns):
    calls = []
    found = dataclasses.replace(cblas.library(), large=lambda *arguments: calls.append(arguments[3:6]))
    onednns.setattr(cblas, "library", lambda: found)
    onednns.setattr(cblas, "LARGE", 64)
    for dtype in (np.float32, np.float64):
        for n in (3, 4):
            multiply(rng.standard_normal((n, n)).astype(dtype), np.eye(n, dtype=dtype))
    assert calls == [(4, 4, 4)]


def test_a_product_that_onednn_refuses_is_told(rng, onednns):
    gemm, x = onednn.sgemm(), rng.standard_normal((4, 4)).astype(np.float32)
    with pytest.raises(RuntimeError, match="dnnl_sgemm returned 2; PYNNET3_BLAS=numpy"):
        gemm(101, 111, 111, 4, 4, 4, 1, x.ctypes.data, 1, x.ctypes.data, 4, 0, x.ctypes.data, 4)


def test_the_environment_hears_nothing_of_the_one_thread(afresh):
    for before in (None, "7"):
        if before is None:
            afresh.delenv("OMP_NUM_THREADS", raising=False)
        else:
            afresh.setenv("OMP_NUM_THREADS", before)
        with onednn._one_openmp_thread():
            assert os.environ["OMP_NUM_THREADS"] == "1"
        assert os.environ.get("OMP_NUM_THREADS") == before


def test_onednn_with_threads_of_its_own_is_left_alone(onednns):
    class Busy:
        @staticmethod
        def omp_get_max_threads():
            return 2

        class dnnl_version:
            restype = None
            runtime = onednn.OPENMP

            def __new__(cls):
                return ctypes.pointer(onednn._Version(3, 2, 0, b"", cls.runtime, 0))

    assert not onednn._is_sequential(Busy)
    onednns.setattr(Busy.dnnl_version, "runtime", onednn.SEQUENTIAL)
    assert onednn._is_sequential(Busy)
    onednns.setattr(Busy.dnnl_version, "runtime", 4)  # of TBB
    assert not onednn._is_sequential(Busy)
    onednns.setattr(onednn, "_load", lambda: Busy)
    onednns.setattr(Busy, "dnnl_sgemm", None, raising=False)
    assert onednn.sgemm() is None


def test_onednn_is_for_programs(onednns):
    onednns.delenv("PYNNET3_BLAS")
    onednns.setattr(cblas.processor, "is_intels", lambda: False)
    for program in (False, True):
        cblas._forget()
        onednns.setattr(cblas, "_program", program)
        found = cblas.library()
        assert found is None or (found.large is not None) is program
        assert (cblas.bfloat16_gemm() is not None) is (program and onednn.bfloat16_gemm() is not None)


def test_a_fork_takes_the_libraries_that_it_would_take_alone(onednns):
    """Whether it is a program: else a model would depend on who started the job that made it."""
    onednns.setenv("PYNNET3_BLAS", "")
    onednns.setattr(cblas, "LARGE", 1)
    onednns.setattr(cblas.processor, "is_intels", lambda: False)
    onednns.setattr(cores, "count", lambda: 1)  # OpenBLAS keeps its threads
    if cblas.library() is None:
        pytest.skip("numpy has another BLAS than its wheels have")
    cblas.preload()
    assert cblas.library().large is None and cblas.bfloat16_gemm() is None
    cblas.share_products()
    assert cblas.library().large is not None


def test_what_cannot_be_loaded_is_left_to_the_forks_to_tell(afresh):
    afresh.setenv("PYNNET3_BLAS", "atlas")
    cblas.preload()
    with pytest.raises(ValueError, match="PYNNET3_BLAS=atlas"):
        cblas.library()


def test_of_two_threads_at_onednn_one_loads_it(afresh):
    """Else one may find the other's environment, and leave it behind."""
    afresh.delenv("OMP_NUM_THREADS", raising=False)
    both, loads = threading.Barrier(2), []

    def slow(path):
        loads.append(path)
        with suppress(threading.BrokenBarrierError):
            both.wait(0.2)
        raise OSError

    afresh.setattr(onednn.Path, "glob", lambda path, pattern: [path])
    afresh.setattr(onednn.ctypes, "CDLL", slow)
    onednn._loaded.cache_clear()
    try:
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(lambda _: onednn._load(), range(2))) == [None, None]
    finally:
        onednn._loaded.cache_clear()
    assert len(loads) == 1 and "OMP_NUM_THREADS" not in os.environ


@pytest.mark.parametrize(("vendor", "takes"), [("GenuineIntel", True), ("AuthenticAMD", False), ("", True)])
def test_mkl_is_taken_on_intels_processors(afresh, root, tmp_path, vendor, takes):
    afresh.setenv("MKLROOT", str(root))
    afresh.setattr(cblas.sys, "prefix", str(tmp_path))
    told = f"processor\t: 0\nvendor_id\t: {vendor}\nflags\t\t: fpu avx512_bf16 sse\n" if vendor else ""
    afresh.setattr(cblas.processor, "_told", lambda: told)
    found = cblas.library()
    assert (found is not None and found.names == "cblas_{}gemm") is takes
    assert cblas.processor.has("avx512_bf16") is bool(vendor) and not cblas.processor.has("avx512")


def test_mkl_is_left_alone_where_numpys_is_wanted(afresh, root):
    afresh.setenv("MKLROOT", str(root))
    afresh.setenv("PYNNET3_BLAS", "numpy")
    found = cblas.library()
    assert found is None or found.names.startswith("scipy_")


@pytest.mark.parametrize("name", ["mkl", "onednn"])
def test_a_library_that_is_wanted_and_not_here_is_an_error(afresh, tmp_path, name):
    afresh.setenv("PYNNET3_BLAS", name)
    afresh.setattr(sys, "prefix", str(tmp_path))
    onednn._loaded.cache_clear()
    try:
        with pytest.raises(ValueError, match=rf"={name}: not found, or .* `pip install 'pynnet3\[{name}\]'`"):
            cblas.library()
    finally:
        onednn._loaded.cache_clear()


def test_an_unknown_library_is_an_error(afresh):
    afresh.setenv("PYNNET3_BLAS", "atlas")
    with pytest.raises(ValueError, match="PYNNET3_BLAS=atlas: it may be mkl, onednn, numpy"):
        cblas.library()


def test_a_part_of_mkl_is_no_mkl(afresh, root, tmp_path):
    (tmp_path / "lib").mkdir()
    shutil.copy(root / "lib/libmkl_rt.so.9", tmp_path / "lib")
    afresh.setenv("MKLROOT", str(tmp_path))
    afresh.setattr(cblas.sys, "prefix", str(tmp_path))
    assert not list(cblas.mkl_paths())
    (tmp_path / "lib/libmkl_core.so.9").touch()
    assert list(cblas.mkl_paths())


def test_how_a_product_is_cut_does_not_tell_who_computes(rng, stand_in, monkeypatch):
    monkeypatch.setattr(cblas, "SHARED", 1000)
    monkeypatch.setattr(cores, "count", lambda: 2)
    a, b = rng.standard_normal((33, 20)), rng.standard_normal((20, 8))
    calls = []
    for busy in (False, True):
        before = _int(stand_in, "calls")
        with cores.computing() if busy else nullcontext():
            multiply(a, b)
            with cores.uncut():
                multiply(a, b)
        calls.append(_int(stand_in, "calls") - before)
    assert calls == [4 + 1, 4 + 1]


def test_the_stand_in_is_told_to_be_sequential(stand_in):
    assert _int(stand_in, "layer") == cblas.SEQUENTIAL
    assert _int(stand_in, "interface") == cblas.LP64


def _int(library, name):
    return ctypes.c_int.in_dll(library, name).value


@pytest.mark.parametrize("shape", [(33, 20, 8), (8, 20, 33)])
def test_large_products_are_shared(rng, stand_in, monkeypatch, shape):
    monkeypatch.setattr(cblas, "SHARED", 1000)
    monkeypatch.setattr(cores, "count", lambda: 2)
    before = _int(stand_in, "calls")
    agree(rng, np.float32, shape, ("part of rows", "columns", "part of rows"), 1)
    assert _int(stand_in, "calls") == before + 4


def test_what_no_blas_reads_is_left_to_numpy(rng, stand_in):
    a, b = rng.standard_normal((4, 6)), rng.standard_normal((3, 5))
    before = _int(stand_in, "calls")
    assert multiply(a[:, ::2], b) == pytest.approx(a[:, ::2] @ b)  # scattered
    assert multiply(a[:, :3].astype(np.float32), b) == pytest.approx(a[:, :3] @ b, abs=1e-5)  # of two types
    assert multiply(np.broadcast_to(a[0, :3], (4, 3)), b) == pytest.approx(np.tile(a[0, :3], (4, 1)) @ b)
    assert multiply(np.zeros((0, 3)), b).shape == (0, 5)
    assert multiply(a[:, :3].astype(">f8"), b.astype(">f8")) == pytest.approx(a[:, :3] @ b)  # from elsewhere
    square = rng.standard_normal((3, 3))
    expected = square @ square
    assert multiply(square, square.copy(), square) == pytest.approx(expected)  # in place of a factor
    sealed = np.zeros((4, 5))
    sealed.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        multiply(a[:, :3], b, sealed)
    assert multiply(a[:, :0], b[:0]) == pytest.approx(np.zeros((4, 5)))
    out = np.ones((4, 5))
    multiply(a[:, ::2], b, out, add=-2)
    assert out == pytest.approx(1 - 2 * (a[:, ::2] @ b))
    assert _int(stand_in, "calls") == before


def test_shapes_that_do_not_fit_are_refused(rng, stand_in):
    a, b = rng.standard_normal((4, 3)), rng.standard_normal((3, 5))
    with pytest.raises(ValueError, match=r"a product of \(4, 3\) and \(3, 5\) does not go into \(4, 4\)"):
        multiply(a, b, np.zeros((4, 4)))


def test_a_library_that_cannot_be_loaded_is_passed_over(afresh, tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/libmkl_rt.so.2").write_text("for another machine")
    (tmp_path / "lib/libmkl_core.so.2").touch()
    afresh.setenv("MKLROOT", str(tmp_path))
    afresh.setattr(cblas.sys, "prefix", str(tmp_path))
    afresh.setattr(cblas.processor, "is_intels", lambda: True)
    found = cblas.library()
    assert found is None or found.names.startswith("scipy_")


def test_without_any_library_numpy_multiplies(rng, afresh):
    afresh.setattr(cblas, "_first", lambda paths, function: None)
    a, b, out = rng.standard_normal((4, 3)), rng.standard_normal((3, 5)), np.ones((4, 5))
    assert cblas.library() is None and not cblas.product(a, b, out)
    multiply(a, b, out, add=1)
    assert out == pytest.approx(1 + a @ b)
    afresh.setattr(cores, "count", lambda: 2)
    cblas.share_products()  # of nothing that it knows
    assert not cblas._sharing


SHARES = """
import numpy as np
from nnet.kernels import cblas, onednn
from nnet.kernels.products import multiply
cblas.share_products()
rng = np.random.default_rng(0)
a, b = rng.standard_normal((700, 300)), rng.standard_normal((300, 400))
assert np.allclose(multiply(a, b), a @ b)
openblas = cblas._openblas()
print(cblas.library().shares, openblas.scipy_openblas_get_num_threads64_())
"""


@pytest.mark.parametrize(("threads", "said"), [("1", "False 1"), ("2", "True 1")])
def test_a_program_with_several_threads_shares_products_of_openblas(numpys, threads, said):
    if len(os.sched_getaffinity(0)) < int(threads):
        pytest.skip("needs two cores")
    env = os.environ | {"PYNNET3_BLAS": "numpy", "OPENBLAS_NUM_THREADS": threads}
    done = subprocess.run([sys.executable, "-c", SHARES], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == said

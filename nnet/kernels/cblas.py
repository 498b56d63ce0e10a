"""Matrix products of the host through CBLAS: MKL, or the OpenBLAS inside numpy, helped by oneDNN.

numpy's matmul can neither add to what is there nor use another BLAS than its own. On Intel's processors MKL
(the extra `mkl`) takes a tenth less time, narrow products up to a third; on others oneDNN (the extra
`onednn`) takes a tenth less, and MKL more than OpenBLAS (docs/performance.md). PYNNET3_BLAS names one: mkl,
onednn or numpy.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nnet import cores
from nnet.kernels import onednn, processor
from nnet.kernels.compiled import address

BY_ROWS, PLAIN, TRANSPOSED = 101, 111, 112  # CBLAS_LAYOUT, CBLAS_TRANSPOSE
REALS = {"f": ("s", ctypes.c_float), "d": ("d", ctypes.c_double)}
LP64, SEQUENTIAL = 0, 1  # MKL_INTERFACE_LP64: integers of 32 bits; MKL_THREADING_SEQUENTIAL
NAMES = ("mkl", "onednn", "numpy")  # what PYNNET3_BLAS may say
SHARED = 2e7  # multiplications of a product that two threads share: 0.3 ms of one
LARGE = 3e6  # multiplications from which on oneDNN was faster than OpenBLAS in most shapes: 0.07 ms
_program = False  # whether the process is one of our programs, and
_sharing = False  # whether products of OpenBLAS are shared: see `share_products`


@dataclass(frozen=True)
class Library:
    """A CBLAS: its functions, the integer it takes, and whether its products are to be shared by us.

    No thread of MKL's waits for work, at the expense of whoever else computes: its products are sequential,
    and large ones are divided among the threads of `nnet.cores`, as is all else.
    """

    functions: Any
    names: str  # with a place for s or d
    integer: Any
    shares: bool
    large: onednn.Gemm | None = None  # what makes large products of float32 instead

    def takes(self, char: str, work: int) -> bool:
        """Whether a product with so many multiplications is `large`."""
        return self.large is not None and char == "f" and work >= LARGE

    def gemm(self, char: str) -> Any:
        """The product of two matrices of this type, cblas_sgemm or cblas_dgemm."""
        letter, real = REALS[char]
        gemm = getattr(self.functions, self.names.format(letter))
        i, p = self.integer, ctypes.c_void_p
        gemm.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int, i, i, i, real, p, i, p, i, real, p, i]
        gemm.restype = None
        return gemm


class Lies(NamedTuple):
    """How a matrix lies: from `address` to `end`, with so many elements between its rows, or between its
    columns if these are contiguous; `steps` from row to row and from column to column, in bytes.
    """

    operation: int
    address: int
    end: int
    leading: int
    steps: tuple[int, int]

    def overlaps(self, other: Lies) -> bool:
        """Whether both might have an element in common."""
        return self.address < other.end and other.address < self.end


def lies(x: np.ndarray) -> Lies | None:
    """None if neither rows nor columns of x (m, n) are contiguous."""
    (m, n), (down, across), size = x.shape, x.strides, x.itemsize
    start = address(x)
    end = start + (m - 1) * down + (n - 1) * across + size
    if (across == size or n == 1) and (m == 1 or (down >= n * size and down % size == 0)):
        return Lies(PLAIN, start, end, down // size if m > 1 else n, (down, across))
    if (down == size or m == 1) and (n == 1 or (across >= m * size and across % size == 0)):
        return Lies(TRANSPOSED, start, end, across // size if n > 1 else m, (down, across))
    return None


def product(a: np.ndarray, b: np.ndarray, out: np.ndarray, *, add: float = 0) -> bool:
    """out (m, n) = a b, or += add a b, for a (m, k) and b (k, n); False if it has to be made otherwise.

    Nothing is copied, so arrays must lie by rows or by columns, and be of one type, float32 or float64.
    """
    found = library()
    if found is None or not _of_one_type(a, b, out):
        return False
    (m, k), n, char = a.shape, b.shape[1], a.dtype.char
    large = found.large if found.takes(char, m * n * k) else None
    if not (add or found.shares or large):
        return False  # matmul would do the same
    left, right, into = lies(a), lies(b), lies(out)
    if left is None or right is None or into is None or into.overlaps(left) or into.overlaps(right):
        return False
    if into.operation == TRANSPOSED:
        return product(b.T, a.T, out.T, add=add)
    if (k, m, n) != (len(b), *out.shape):
        raise ValueError(f"a product of {a.shape} and {b.shape} does not go into {out.shape}")
    gemm, size = large or _gemm(char), a.itemsize

    def part(rows: slice, columns: slice) -> None:
        shape = rows.stop - rows.start, columns.stop - columns.start, k
        gemm(
            *(BY_ROWS, left.operation, right.operation, *shape),
            *(add or 1, left.address + rows.start * left.steps[0], left.leading),
            *(right.address + columns.start * right.steps[1], right.leading, add != 0),
            *(into.address + rows.start * into.steps[0] + columns.start * size, into.leading),
        )

    threads = cores.for_a_product() if found.shares and m * n * k > SHARED else 1
    if threads == 1:
        part(slice(0, m), slice(0, n))
    elif m >= n:
        cores.share(lambda rows: part(rows, slice(0, n)), m, threads)
    else:
        cores.share(partial(part, slice(0, m)), n, threads)
    return True


def _of_one_type(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> bool:
    """Whether all are of one type that a BLAS has, none is empty, and `out` may be written."""
    dtype = a.dtype
    same = dtype == b.dtype and dtype == out.dtype and dtype.char in REALS and dtype.isnative
    return bool(same and out.flags.writeable and a.size and b.size)


@cache
def _gemm(char: str) -> Any:
    return library().gemm(char)  # type: ignore[union-attr]


@cache
def library() -> Library | None:
    """The CBLAS of this process; None if numpy has another BLAS than the one that comes with its wheels.

    Raises ValueError if PYNNET3_BLAS names none of NAMES, or one that is not here.
    """
    wanted = os.environ.get("PYNNET3_BLAS") or None
    if wanted not in (None, *NAMES):
        raise ValueError(f"PYNNET3_BLAS={wanted}: it may be {', '.join(NAMES)}")
    found = _mkl() if wanted == "mkl" or (wanted is None and processor.is_intels()) else None
    if found is None:
        large = onednn.sgemm() if _may_be_onednn() else None
        openblas = _openblas()
        if openblas is not None:
            found = Library(openblas, "scipy_cblas_{}gemm64_", ctypes.c_int64, _sharing, large)
        if wanted == "mkl" or (wanted == "onednn" and not (large and found)):
            raise ValueError(
                f"PYNNET3_BLAS={wanted}: not found, or not fit for the threads or the numpy of this process; "
                f"`pip install 'pynnet3[{wanted}]'` brings it"
            )
    return found


@cache
def bfloat16_gemm() -> onednn.Gemm | None:
    """What multiplies matrices in bfloat16, called as cblas_sgemm is; None if nothing does."""
    return onednn.bfloat16_gemm() if _may_be_onednn() else None


def _may_be_onednn() -> bool:
    """In a process that is not ours its threads are not ours to set, unless that is wanted."""
    wanted = os.environ.get("PYNNET3_BLAS") or None
    return wanted == "onednn" or (wanted is None and _program)


def _mkl() -> Library | None:
    mkl = _first(mkl_paths(), "MKL_Set_Interface_Layer")
    if mkl is None:
        return None
    mkl.MKL_Set_Interface_Layer(LP64)  # whatever the environment says
    mkl.MKL_Set_Threading_Layer(SEQUENTIAL)
    return Library(mkl, "cblas_{}gemm", ctypes.c_int, shares=True)


def share_products() -> None:
    """From now on threads of ours share the products of this process, and numpy's BLAS keeps to one.

    Of a program, not of a library: this holds for all of numpy, and for all of OpenMP if oneDNN is there.
    Threads of OpenBLAS, once woken, turn idly for a while at the expense of ours: with two, a minibatch of
    tdnn took 1.08 of PyTorch's time this way and 1.20 before.
    """
    global _program, _sharing  # noqa: PLW0603 - one process, one BLAS
    _program = True
    openblas = _openblas() if cores.count() > 1 else None
    if openblas is not None:
        openblas.scipy_openblas_set_num_threads64_(1)
        _sharing = True
    _forget()


def preload() -> None:
    """Load now what the first large product of a program would, for forks of this process.

    With MKL that takes 15 ms and its memory, with oneDNN, which compiles its kernels, 80.
    """
    global _program  # noqa: PLW0603
    before, _program = _program, True
    side = round(LARGE ** (1 / 3)) + 1
    one = np.ones((side, side), np.float32)
    with suppress(ValueError):  # of PYNNET3_BLAS: the fork that needs it tells that in its own log
        product(one, one, np.empty_like(one))
    _program = before  # a fork says itself whether it is a program, as it would if it were started alone
    _forget()  # each may have an environment of its own


def _forget() -> None:
    for held in (library, _gemm, bfloat16_gemm):
        held.cache_clear()


def mkl_paths() -> Iterator[Path]:
    """Where libmkl_rt may be: beside Python, where pip and conda put it, or in MKLROOT, where Intel does.

    It loads libmkl_core when it is first used, and ends the process if that is not there.
    """
    root = Path(os.environ.get("MKLROOT", sys.prefix))
    for folder in (Path(sys.prefix) / "lib", root / "lib", root / "lib/intel64"):
        if any(folder.glob("libmkl_core.*")):
            yield from sorted(folder.glob("libmkl_rt.*"), reverse=True)


def _openblas() -> ctypes.CDLL | None:
    paths = (Path(np.__file__).parent.parent / "numpy.libs").glob("libscipy_openblas64_*")
    return _first(sorted(paths), "scipy_cblas_sgemm64_")


def _first(paths: Iterable[Path], function: str) -> ctypes.CDLL | None:
    """The first of these libraries that can be loaded and has the function."""
    for path in paths:
        try:
            library = ctypes.CDLL(str(path))
            getattr(library, function)
        except (OSError, AttributeError):
            continue
        return library
    return None

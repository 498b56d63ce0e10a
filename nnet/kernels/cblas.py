"""Matrix products of the host through CBLAS: MKL where it is installed, else the OpenBLAS inside numpy.

numpy's matmul can neither add to what is there nor use another BLAS than its own. Intel's MKL (the extra
`mkl`) takes a fifth less time on Intel's processors (docs/performance.md); PYNNET3_MKL=no leaves it alone.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from nnet import cores

BY_ROWS, PLAIN, TRANSPOSED = 101, 111, 112  # CBLAS_LAYOUT, CBLAS_TRANSPOSE
REALS = {"f": ("s", ctypes.c_float), "d": ("d", ctypes.c_double)}
SEQUENTIAL = 1  # MKL_THREADING_SEQUENTIAL
SHARED = 2e7  # multiplications of a product that two threads share: 0.3 ms of one


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

    def gemm(self, char: str) -> Any:
        """The product of two matrices of this type, cblas_sgemm or cblas_dgemm."""
        letter, real = REALS[char]
        gemm = getattr(self.functions, self.names.format(letter))
        i, p = self.integer, ctypes.c_void_p
        gemm.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int, i, i, i, real, p, i, p, i, real, p, i]
        gemm.restype = None
        return gemm


@dataclass(frozen=True)
class Lies:
    """How a matrix lies: its address, the elements between its rows, or columns if these are contiguous."""

    operation: int
    address: int
    leading: int
    steps: tuple[int, int]  # in bytes


def lies(x: np.ndarray) -> Lies | None:
    """None if neither rows nor columns of x (m, n) are contiguous."""
    (m, n), (down, across), size = x.shape, x.strides, x.itemsize
    address = x.__array_interface__["data"][0]
    if (across == size or n == 1) and (m == 1 or (down >= n * size and down % size == 0)):
        return Lies(PLAIN, address, down // size if m > 1 else n, (down, across))
    if (down == size or m == 1) and (n == 1 or (across >= m * size and across % size == 0)):
        return Lies(TRANSPOSED, address, across // size if n > 1 else m, (down, across))
    return None


def product(a: np.ndarray, b: np.ndarray, out: np.ndarray, *, add: float = 0) -> bool:
    """out (m, n) = a b, or += add a b, for a (m, k) and b (k, n); False if it has to be made otherwise.

    Nothing is copied, so arrays must lie by rows or by columns, and be of one type, float32 or float64.
    """
    char = a.dtype.char
    if char not in REALS or b.dtype.char != char or out.dtype.char != char or not a.size or not b.size:
        return False
    gemm = _gemm(char, not add)
    left, right, into = lies(a), lies(b), lies(out)
    if gemm is None or left is None or right is None or into is None:
        return False
    if into.operation == TRANSPOSED:
        return product(b.T, a.T, out.T, add=add)
    (m, k), n = a.shape, b.shape[1]
    if (k, m, n) != (len(b), *out.shape):
        raise ValueError(f"a product of {a.shape} and {b.shape} does not go into {out.shape}")

    def part(rows: slice, columns: slice) -> None:
        gemm(
            *(
                BY_ROWS,
                left.operation,
                right.operation,
                rows.stop - rows.start,
                columns.stop - columns.start,
                k,
            ),
            *(add or 1, left.address + rows.start * left.steps[0], left.leading),
            *(right.address + columns.start * right.steps[1], right.leading, add != 0),
            *(into.address + rows.start * into.steps[0] + columns.start * a.itemsize, into.leading),
        )

    threads = cores.free() if library().shares and m * n * k > SHARED else 1
    if threads == 1:
        part(slice(0, m), slice(0, n))
    elif m >= n:
        cores.share(lambda rows: part(rows, slice(0, n)), m, threads)
    else:
        cores.share(partial(part, slice(0, m)), n, threads)
    return True


@cache
def _gemm(char: str, matmul_would_do: bool) -> Any:
    found = library()
    return None if found is None or (matmul_would_do and not found.shares) else found.gemm(char)


@cache
def library() -> Library | None:
    """The CBLAS of this process; None if numpy has another BLAS than the one that comes with its wheels."""
    for path in () if os.environ.get("PYNNET3_MKL") == "no" else mkl_paths():
        try:
            mkl = ctypes.CDLL(str(path))
            mkl.MKL_Set_Threading_Layer(SEQUENTIAL)
        except (OSError, AttributeError):
            continue
        one_thread_of_numpys()
        return Library(mkl, "cblas_{}gemm", ctypes.c_int, shares=True)
    for path in sorted((Path(np.__file__).parent.parent / "numpy.libs").glob("libscipy_openblas64_*")):
        try:
            openblas = ctypes.CDLL(str(path))
            openblas.scipy_cblas_sgemm64_  # noqa: B018 - whether it is there
        except (OSError, AttributeError):
            continue
        shares = os.environ.get("OWN") == "1"
        if shares:
            one_thread_of_numpys()
        return Library(openblas, "scipy_cblas_{}gemm64_", ctypes.c_int64, shares=shares)
    return None


def one_thread_of_numpys() -> None:
    """Products that numpy makes take one thread: others of its BLAS, once woken, turn idly for a while."""
    for path in sorted((Path(np.__file__).parent.parent / "numpy.libs").glob("libscipy_openblas64_*")):
        ctypes.CDLL(str(path)).scipy_openblas_set_num_threads64_(1)


def mkl_paths() -> Iterator[Path]:
    """Where libmkl_rt may be: beside Python, where pip and conda put it, or under MKLROOT, as Intel's does."""
    root = os.environ.get("MKLROOT")
    for folder in (
        Path(sys.prefix) / "lib",
        *([Path(root) / "lib", Path(root) / "lib/intel64"] if root else []),
    ):
        yield from sorted(folder.glob("libmkl_rt.*"), reverse=True)

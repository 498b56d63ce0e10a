"""Eigenvectors of a symmetric matrix of the host: MKL's LAPACK where MKL makes the products, else numpy's.

For 80 x 80 in double precision MKL took 0.40 ms and numpy 0.52 (a Sapphire Rapids); a job that trains on 23
small minibatches asks for 170 of them.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

from nnet.kernels.cblas import library

BY_COLUMNS = 102  # LAPACK_COL_MAJOR
ALIGNED = 64  # bytes


def eigh(Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rising eigenvalues of Z (R, R) in float64, and eigenvectors as columns.

    Raises numpy's LinAlgError where they do not converge.
    """
    solve = _solver()
    if solve is not None and Z.dtype == np.float64 and len(Z):
        n = len(Z)
        U, values = _aligned(n), np.empty(n)
        U[...] = Z
        if solve(BY_COLUMNS, b"V", b"L", n, U.ctypes.data, n, values.ctypes.data) == 0:
            return values, U
    values, U = np.linalg.eigh(Z)
    return values, U


def _aligned(n: int) -> np.ndarray:
    """Room for columns (n, n) from a multiple of 64 bytes on: the bits of the result depend on that."""
    room = np.empty(n * n + ALIGNED // 8)
    start = -room.ctypes.data % ALIGNED // 8
    return room[start : start + n * n].reshape(n, n).T


@cache
def _solver() -> Any:
    """LAPACKE_dsyevd of MKL, or None."""
    found = library()
    solve = getattr(found.functions, "LAPACKE_dsyevd", None) if found is not None else None
    if solve is not None:
        i, p = found.integer, ctypes.c_void_p  # type: ignore[union-attr]
        solve.argtypes = [ctypes.c_int, ctypes.c_char, ctypes.c_char, i, p, i, p]
        solve.restype = i
    return solve

"""Make the rows of a matrix orthonormal again, up to their lengths, when rounding has turned them."""

from __future__ import annotations

import math

import numpy as np

from nnet.backend import Array, like, to_host

OFF_UNIT = 1e-3  # error of R R' that is tolerated


def reorthogonalize(W: Array, e: np.ndarray) -> Array:
    """W with the rows of R = e^(-1/2) W orthonormal, first ones changed least (Kaldi: ReorthogonalizeRt1)."""
    root = np.sqrt(e)
    O = symmetric(W @ W.T) / root[:, None] / root  # noqa: E741  # R R', Kaldi's name
    if np.abs(O - np.eye(len(e))).max() <= OFF_UNIT:
        return W
    inverse = _inverse_cholesky(O)
    if inverse is None:
        return like(root[:, None] * gram_schmidt(to_host(W).astype(np.float64)), W)
    return like(root[:, None] * inverse / root, W) @ W


def _inverse_cholesky(O: np.ndarray) -> np.ndarray | None:  # noqa: E741
    """Inverse of the Cholesky factor of O, or None if there is none or its entries are out of hand."""
    try:
        inverse = np.linalg.inv(np.linalg.cholesky(O))
    except np.linalg.LinAlgError:
        return None
    return inverse if inverse.max() < 100 else None


def gram_schmidt(R: np.ndarray) -> np.ndarray:
    """Orthonormal rows in place of those of R, from first to last; rows that vanish are drawn anew."""
    R = R.copy()
    rng = np.random.default_rng(len(R))
    for i in range(len(R)):
        while True:
            start = R[i] @ R[i]
            if not np.isfinite(start) or start == 0:
                R[i] = rng.standard_normal(R.shape[1])
                continue
            for j in range(i):
                R[i] -= (R[i] @ R[j]) * R[j]
            end = R[i] @ R[i]
            R[i] /= math.sqrt(end) if end > 0 else 1
            if end > 0.01 * start:
                break
    return R


def symmetric(M: Array) -> np.ndarray:
    """The mean of M and M' on the host, in double."""
    host = to_host(M).astype(np.float64)
    total: np.ndarray = host + host.T
    total *= 0.5
    return total

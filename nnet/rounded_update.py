"""One update of the natural gradient, every float32 operation in Kaldi's order.

Rows that span fewer directions than the rank leave Z with eigenvalues that are zero but for rounding; the
rows of W there are rounding errors blown up to unit length, and every bit decides. For such cases only.
Kaldi: `OnlineNaturalGradient::PreconditionDirectionsInternal` on the processor.
"""

from __future__ import annotations

import numpy as np

from nnet.rounded_blas import REAL, dot, fused, gram, times, times_transposed, transposed_times
from nnet.rounded_eigen import ONE, eigen

EPSILON = REAL(1e-10)
DELTA = REAL(5e-4)
CONDITION = REAL(1e6)
OFF_UNIT = REAL(1e-3)
LARGEST = 100  # entry of the inverse Cholesky factor that is still trusted


def rounded_update(
    x: np.ndarray, W: np.ndarray, d: np.ndarray, rho: float, *, alpha: float, eta: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """The new W (R, D), d (R,) and rho for the rows x (N, D); x and W in float32, d and rho in double."""
    with np.errstate(all="ignore"):
        state = _Fisher(W, d.astype(REAL), REAL(rho), REAL(alpha), REAL(eta))
        new = state.moved(np.ascontiguousarray(x))
    return new.W, new.d.astype(np.float64), float(new.rho)


def total(v: np.ndarray) -> np.float32:
    """Sum of v: neighbours in float32, the pairs in double (Kaldi: `VectorBase::Sum`)."""
    pairs = np.append(v, REAL(0)) if len(v) % 2 else v
    return REAL(np.add.accumulate(pairs[::2] + pairs[1::2], dtype=np.float64)[-1])


class _Fisher:
    """W, d and rho in float32, and e^(1/2) and e^(-1/2) that follow from them."""

    def __init__(self, W: np.ndarray, d: np.ndarray, rho: np.float32, alpha: np.float32, eta: np.float32):
        self.W, self.d, self.rho, self.alpha, self.eta = W, d, rho, alpha, eta
        dim = REAL(W.shape[1])
        beta = REAL(float(rho) * (1 + float(alpha)) + float(alpha * total(d) / dim))
        self.root = np.sqrt(ONE / (beta / d + ONE))
        self.inverse_root = ONE / self.root

    def moved(self, x: np.ndarray) -> _Fisher:
        """The estimate after the rows x."""
        W, eta, (n, dim) = self.W, self.eta, x.shape
        H = times_transposed(x, W)
        J = transposed_times(H, x)
        if n > dim:  # one product for both
            L, K = np.split(times_transposed(np.concatenate([W, J]), J), 2)
        else:
            L, K = gram(np.ascontiguousarray(H.T)), gram(J)
        C, U = self._eigen(n, K, L)
        floor = REAL(float(self.rho * (ONE - eta)) ** 2)
        suspect = C[0] > CONDITION * C[-1] or (floor > C).any()
        root = np.sqrt(np.maximum(C, floor))
        trace = np.add.accumulate(dot(x, x))[-1]
        d, rho = self._spectrum(root, trace, n, dim)
        new = _Fisher(W, d, rho, self.alpha, eta)
        share = eta / REAL(n)
        weights = ((1 - float(eta)) / float(share) * (self.d + self.rho).astype(np.float64)).astype(REAL)
        B = fused(weights[:, None], W, J)
        A = U.T * ((share * new.root * (ONE / root))[:, None] * self.inverse_root)
        new.W = times(A, B)
        if suspect:
            new.reorthogonalize()
        return new

    def _eigen(self, n: int, K: np.ndarray, L: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues and eigenvectors of Z; Z itself in double (Kaldi: ComputeZt)."""
        s, g = self.inverse_root.astype(np.float64), (self.d + self.rho).astype(np.float64)
        share, kept = float(self.eta / REAL(n)), 1 - float(self.eta)
        K, L = (0.5 * (M + M.T).astype(np.float64) for M in (K, L))
        Z = (
            share * share * s[:, None] * K * s
            + share * kept * s[:, None] * L * s * g
            + share * kept * g[:, None] * s[:, None] * L * s
            + np.diag(kept * kept * g * g)
        )
        scale = REAL(max(1.0, np.add.accumulate(Z.diagonal())[-1]))
        C, U = eigen((Z * (1.0 / float(scale))).astype(REAL))
        return C * scale, U

    def _spectrum(
        self, root: np.ndarray, trace: np.float32, n: int, dim: int
    ) -> tuple[np.ndarray, np.float32]:
        """The new d and rho, both floored."""
        kept = (ONE - self.eta) * (REAL(dim) * self.rho + total(self.d))
        rest = self.eta / REAL(n) * trace + kept - total(root)
        rho = REAL(1.0 / (dim - len(root)) * float(rest))
        least = max(EPSILON, DELTA * root.max())
        return np.maximum(root - rho, least), max(rho, least)

    def reorthogonalize(self) -> None:
        """Make the rows of e^(-1/2) W orthonormal unless they nearly are (Kaldi: ReorthogonalizeRt1)."""
        O = np.tril(gram(self.W)) * (self.inverse_root[:, None] * self.inverse_root)  # noqa: E741
        if np.abs(O - np.eye(len(O), dtype=REAL)).max() <= OFF_UNIT:
            return
        inverse = inverse_cholesky(O)
        if inverse is None:
            self.W = gram_schmidt(self.W) * self.root[:, None]
        else:
            scaled = inverse * (self.root[:, None] * self.inverse_root)
            np.fill_diagonal(scaled, inverse.diagonal())
            self.W = times(scaled, self.W)


def inverse_cholesky(O: np.ndarray) -> np.ndarray | None:  # noqa: E741
    """Inverse of the Cholesky factor of O (its lower half), or None if that fails or is out of hand."""
    C = np.zeros_like(O)
    for j in range(len(O)):
        left = REAL(0)
        for k in range(j):
            C[j, k] = (O[j, k] - dot(C[k, :k], C[j, :k])) / C[k, k]
            left += C[j, k] * C[j, k]
        left = O[j, j] - left
        if not left > 0:
            return None
        C[j, j] = np.sqrt(left)
    inverse = np.tril(np.linalg.inv(C.astype(np.float64))).astype(REAL)
    return inverse if inverse.max() < LARGEST else None


def gram_schmidt(W: np.ndarray) -> np.ndarray:
    """Orthonormal rows in place of those of W, from first to last; rows that vanish are drawn anew."""
    W = W.copy()
    rng = np.random.default_rng(len(W))
    for i in range(len(W)):
        while True:
            start = dot(W[i], W[i])
            if not np.isfinite(start) or start == 0:
                W[i] = rng.standard_normal(W.shape[1])
                continue
            for j in range(i):
                W[i] = fused(-dot(W[i], W[j]), W[j], W[i])
            end = dot(W[i], W[i])
            if end > 0.01 * float(start):
                W[i] *= REAL(1 / float(np.sqrt(end)))
                break
    return W

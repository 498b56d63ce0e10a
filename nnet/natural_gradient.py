"""Online natural gradient: rows times the inverse of a smoothed low-rank Fisher matrix, learned on the way.

Povey, Zhang and Khudanpur, "Parallel training of DNNs with Natural Gradient and Parameter Averaging"
(ICLR workshop 2015), as in Kaldi's `OnlineNaturalGradient`, whose header names the equations. In short:

    F = R' diag(d) R + rho I                 Fisher matrix of the rows of X, R (R x D) with orthonormal rows
    G = F + (alpha/D) tr(F) I = R' diag(d) R + beta I
    X_hat = beta X inv(G) = X - X W' W       W = diag(e)^(1/2) R,  e = 1 / (beta/d + 1)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nnet.backend import Array, array_module, like
from nnet.columns import Columns, sumsq
from nnet.kernels.fisher import Fisher, settle
from nnet.kernels.launch import on_device
from nnet.kernels.products import multiply
from nnet.orthonormal_rows import reorthogonalize, symmetric
from nnet.rounded_blas import SMALL
from nnet.rounded_update import rounded_update

EPSILON = 1e-10  # floor of rho and d
DELTA = 5e-4  # floor of rho and d relative to the largest eigenvalue
INITIAL_UPDATES = 10  # calls before update_period counts
CONDITION = 1e6  # of the eigenvalues of Z; beyond it rows of R may have lost their right angles
CROWDED = 1e4  # of the eigenvalues of Z: beyond it rounding tells in W, if rows of W are made of it already
CANCELLED = 0.02  # share of the energy that must be left for its formula to be trusted in float32


@dataclass(frozen=True)
class Step:
    """W' = A (J + diag(b) W), the new d and rho; the condition number of Z, whether C had to be floored."""

    A: np.ndarray
    b: np.ndarray
    d: np.ndarray
    rho: float
    condition: float
    floored: bool

    @property
    def suspect(self) -> bool:
        """Whether rows of R may have lost their right angles."""
        return self.floored or self.condition > CONDITION


class OnlineNaturalGradient:
    """The Fisher matrix of one kind of row, and the preconditioning by it.

    `rank` becomes D - 1 where rows have no more than `rank` columns. The share eta of a minibatch of N rows
    in the running estimate is 1 - exp(-N / num_samples_history), at most 0.9, or 1 / num_minibatches_history
    if that is set. Arrays may be numpy's or CuPy's, float32 or float64; what is rank x rank is solved in
    double, on a device in `kernels.fisher`, for all layers at once if `settle` is called for them.

    Directions in which the rows seen so far have no energy are decided by rounding: where rows span less than
    `rank`, Kaldi differs from itself by 3 to 20 % when its BLAS rounds otherwise. There, a small float32
    minibatch on the host (N D R <= 10^6) goes through `rounded_update`, which rounds like Kaldi with the
    AVX-512 kernels of OpenBLAS.
    """

    def __init__(
        self,
        rank: int = 40,
        alpha: float = 4.0,
        update_period: int = 1,
        num_samples_history: float = 2000.0,
        num_minibatches_history: float = 0.0,
    ):
        if rank < 1 or update_period < 1 or alpha < 0:
            raise ValueError(
                f"natural gradient: rank={rank}, update_period={update_period}, alpha={alpha}; "
                "need rank >= 1, update_period >= 1, alpha >= 0"
            )
        if not 0 < num_samples_history <= 1e6 or not (
            num_minibatches_history == 0 or num_minibatches_history > 1
        ):
            raise ValueError(
                f"natural gradient: num_samples_history={num_samples_history} must lie in (0, 1e6], "
                f"num_minibatches_history={num_minibatches_history} must be 0 or more than 1"
            )
        self.rank, self.alpha, self.update_period = rank, alpha, update_period
        self.num_samples_history, self.num_minibatches_history = num_samples_history, num_minibatches_history
        self.t = 0
        self.W: Array = None  # (R, D), in the precision of the rows
        self.fisher: Fisher | None = None  # on a device d and rho are there too
        self.d = np.zeros(0)  # (R,), float64 on the host
        self.rho = EPSILON
        self.undecided = False  # some rows of W are, or were at first, nothing but rounding
        self.cancels = False  # preconditioning takes nearly all energy away, as of the last update

    def precondition(self, x: Array, update: bool = True) -> tuple[Array, Array]:
        """x_hat, a new array, and the scale (of x's type) that gives it the Frobenius norm of x (N, D).

        `update=False` applies the estimate as it is (Kaldi's frozen state). Kaldi: PreconditionDirections.
        """
        if x.shape[1] == 1 or len(x) == 0:
            return x.copy(), x.dtype.type(1)
        xp = array_module(x)
        columns = Columns((x,))
        W, H, before, _ = self._advance(columns, update)
        x_hat = multiply(H, W)
        xp.subtract(x, x_hat, out=x_hat)
        return x_hat, _ratio(before, sumsq(x_hat), x.dtype)

    def projection(self, x: Columns, update: bool = True) -> tuple[Array | None, Array]:
        """W (R, D) and scale such that X_hat = X - X W' W, without making X_hat; W is None where X_hat = X.

        For products of X_hat that are smaller than X_hat: Y' X_hat = Y'X - (Y'X W') W.
        """
        if x.shape[1] == 1 or x.shape[0] == 0:
            return None, x.dtype.type(1)
        W, H, before, L = self._advance(x, update)
        if self.cancels:
            after = _energy_after(x, H, W)
        else:  # tr(X_hat X_hat') = tr(XX') - 2 tr(L) + tr(L W W')
            L = multiply(H.T, H, exact=True) if L is None else L
            after = (
                before
                - 2 * L.trace(dtype=np.float64)
                + (L * multiply(W, W.T, exact=True)).sum(dtype=np.float64)
            )
        return W, _ratio(before, after, x.dtype)

    def _advance(self, x: Columns, update: bool) -> tuple[Array, Array, Array, Array]:
        """The W of this call, H = X W', tr(XX') and, if the estimate was updated, L = H'H (else None)."""
        before = x.sumsq()
        if self.t == 0:
            self._prime(x, before)
        if self.fisher is not None:
            settle([self.fisher])
        W = self.W
        if W.shape[1] != x.shape[1]:
            raise ValueError(
                f"natural gradient: rows have {x.shape[1]} columns, earlier ones had {W.shape[1]}"
            )
        H = x.times(W)  # (N, R)
        updating = update and self.due
        self.t += 1
        return W, H, before, self._update(x, H, before) if updating else None

    @property
    def due(self) -> bool:
        """Whether the estimate moves at the next call."""
        return self.t <= INITIAL_UPDATES or (self.t - INITIAL_UPDATES) % self.update_period == 0

    def _prime(self, x: Columns, before: Array) -> None:
        """Go over the first minibatch thrice from a made-up R, once if N <= rank (Kaldi: Init)."""
        n, dim = x.shape
        rank = min(self.rank, dim - 1)
        real = x.dtype.type
        e = real(1 / (2 + float(real(dim + rank) * real(self.alpha) / real(dim))))
        self.W = like(np.sqrt(e) * first_basis(rank, dim, x.dtype), x.blocks[0])
        self.d, self.rho = np.full(rank, EPSILON), EPSILON
        self.fisher = Fisher(self.W, EPSILON) if on_device(self.W) else None
        for _ in range(1 if n <= rank else 3):
            self._update(x, x.times(self.W), before)
            if self.fisher is not None:
                settle([self.fisher])

    def _eta(self, n: int) -> float:
        if self.num_minibatches_history > 0:
            return 1 / self.num_minibatches_history
        return min(0.9, 1 - math.exp(np.float32(-n / self.num_samples_history)))  # in float32 as in Kaldi

    def _e(self, d: np.ndarray, rho: float, dim: int) -> np.ndarray:
        """e of (eqn:tii), beta by (eqn:betat2)."""
        beta = rho * (1 + self.alpha) + self.alpha * d.sum() / dim
        return 1 / (beta / d + 1)

    def _update(self, x: Columns, H: Array, before: Array) -> Array:
        """Move W, d and rho towards the scatter of x; left alone if that is not finite. Returns L = H'H."""
        (n, dim), W = x.shape, self.W
        J = x.under(H)  # (R, D)
        L = multiply(H.T, H, exact=True) if n <= dim else multiply(J, W.T, exact=True)
        if self.fisher is not None:
            self.fisher.hand_in(J, L, before, (self._eta(n), n, dim, self.alpha))
            return L
        trace = float(before)
        small = symmetric(array_module(J).stack((J @ J.T, L, W @ W.T)))  # to the host at once
        if not (math.isfinite(trace) and np.isfinite(small).all()):
            return L
        host_K, host_L, host_E = small
        step = self._solve(n, dim, trace, host_K, host_L)
        left = trace - 2 * np.trace(host_L) + float((host_L * host_E).sum())
        self.cancels = left < CANCELLED * trace
        if n * W.size <= SMALL and self._rounding_decides(step, trace):
            self.W, self.d, self.rho = rounded_update(
                x.dense(), W, self.d, self.rho, alpha=self.alpha, eta=self._eta(n)
            )
            return L
        J += like(step.b[:, None], J) * W  # B
        self.W, self.d, self.rho = like(step.A, J) @ J, step.d, step.rho
        if step.suspect:
            self.W = reorthogonalize(self.W, self._e(step.d, step.rho, dim))
        return L

    def _rounding_decides(self, step: Step, trace: float) -> bool:
        """Whether W has to come from `rounded_update`: it matters, and W and d can be Kaldi's to the bit."""
        unused = self.d.max() < 2 * EPSILON  # nothing but zeros so far
        self.undecided |= step.floored
        if not isinstance(self.W, np.ndarray) or self.W.dtype != np.float32:
            return False
        if trace == 0:
            return bool(unused)
        young = unused or self.t <= INITIAL_UPDATES
        return bool(young and self.undecided and (step.floored or step.condition > CROWDED))

    def _solve(self, n: int, dim: int, trace: float, K: np.ndarray, L: np.ndarray) -> Step:
        """The change that K = JJ' and L call for."""
        d, rho, rank, eta = self.d, self.rho, len(self.d), self._eta(n)
        e = self._e(d, rho, dim)
        C, U = _eigen(scatter(eta, n, d + rho, 1 / np.sqrt(e), K=K, L=L))
        floor = (rho * (1 - eta)) ** 2
        root = np.sqrt(np.maximum(C, floor))
        new_rho = (eta / n * trace + (1 - eta) * (dim * rho + d.sum()) - root.sum()) / (
            dim - rank
        )  # (eqn:rhot1)
        least = max(EPSILON, DELTA * root.max())
        new_d = np.maximum(root - new_rho, least)  # (eqn:dt1)
        new_rho = max(new_rho, least)
        rows = eta / n * np.sqrt(self._e(new_d, new_rho, dim)) / root
        A = rows[:, None] * U.T / np.sqrt(e)
        b = (1 - eta) / (eta / n) * (d + rho)
        condition = float(C[0] / C[-1]) if C[-1] > 0 else math.inf
        return Step(A, b, new_d, new_rho, condition, bool((floor > C).any()))


def scatter(eta: float, n: int, g: np.ndarray, s: np.ndarray, *, K: np.ndarray, L: np.ndarray) -> np.ndarray:
    """Z = Y Y' of (eqn:Zt) for g = d + rho and s = e^(-1/2), all (R,); K, L (R, R)."""
    mixed = s[:, None] * L * s
    return (
        (eta / n) ** 2 * s[:, None] * K * s
        + (eta / n) * (1 - eta) * (mixed * g + g[:, None] * mixed)
        + np.diag(((1 - eta) * g) ** 2)
    )


def _eigen(Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues falling, eigenvectors as columns."""
    scale = max(1.0, float(np.trace(Z)))
    C, U = np.linalg.eigh(Z / scale)
    return C[::-1] * scale, U[:, ::-1]


def first_basis(rank: int, dim: int, dtype: np.dtype | type = np.float64) -> np.ndarray:
    """Orthonormal rows without a zero column: row r is 1.1, 1, 1... at columns r, r + rank..., normalised.

    The uneven first entry keeps the sum of the rows from being constant (Kaldi: InitOrthonormalSpecial,
    rounded alike).
    """
    real = np.dtype(dtype).type
    R, first = np.zeros((rank, dim), dtype), real(1.1)
    for r in range(rank):
        square = first * first + real(len(range(r, dim, rank))) - real(1)
        R[r, r::rank] = 1 / math.sqrt(square)
        R[r, r] *= first
    return R


def _energy_after(x: Columns, H: Array, W: Array) -> Array:
    """tr(X_hat X_hat') summed over the blocks of X_hat, for when hardly anything is left of X."""
    total, start = 0.0, 0
    for part in x.pieces():
        total = total + sumsq(part - H @ W[:, start : start + part.shape[1]])
        start += part.shape[1]
    return total


def _ratio(before: Array, after: Array, dtype: np.dtype) -> Array:
    """sqrt(before / after), 1 where either is not positive."""
    xp = array_module(before)
    good = (before > 0) & (after > 0)
    return xp.sqrt(xp.where(good, before, 1.0) / xp.where(good, after, 1.0)).astype(dtype)

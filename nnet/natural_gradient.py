"""Online natural gradient: rows times the inverse of a smoothed low-rank Fisher matrix, learned on the way.

Povey, Zhang and Khudanpur, "Parallel training of DNNs with Natural Gradient and Parameter Averaging"
(ICLR workshop 2015), as in Kaldi's `OnlineNaturalGradient`, whose header names the equations. In short:

    F = R' diag(d) R + rho I                 Fisher matrix of the rows of X, R (R x D) with orthonormal rows
    G = F + (alpha/D) tr(F) I = R' diag(d) R + beta I
    X_hat = beta X inv(G) = X - X W' W       W = diag(e)^(1/2) R,  e = 1 / (beta/d + 1)
"""

from __future__ import annotations

import math

import numpy as np

from nnet.backend import Array, array_module, like
from nnet.columns import Columns, sumsq
from nnet.fisher_step import EPSILON, Seen, Share, Step, solve
from nnet.kernels.fisher import Fisher, settle
from nnet.kernels.launch import on_device
from nnet.kernels.products import multiply
from nnet.orthonormal_rows import reorthogonalize
from nnet.rounded_blas import SMALL
from nnet.rounded_update import rounded_update

INITIAL_UPDATES = 10  # calls before update_period counts
CROWDED = 1e4  # of the eigenvalues of Z: beyond it rounding tells in W, if rows of W are made of it already
SYRK = 1.6  # operations of X'X in the time of one of X W'
RIGHT = 1e-5  # of the largest element of E: what others may be where rows of W stand at right angles
CANCELLED = 0.02  # share of the energy that must be left for its formula to be trusted in float32
ROUNDED = 0.1  # and in bfloat16, where the scale then is wrong by less than a thousandth


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
        self._E: tuple[Array, Array] = (None, None)  # W, and WW' as it was computed for it
        self._e: tuple[Array, np.ndarray | None] = (None, None)  # E, and its diagonal if it has nothing else
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
        W, seen = self._advance(Columns((x,)), update)
        x_hat = multiply(seen.H, W)
        xp.subtract(x, x_hat, out=x_hat)
        return x_hat, _ratio(seen.energy, sumsq(x_hat), x.dtype)

    def projection(self, x: Columns, update: bool = True) -> tuple[Array | None, Array]:
        """W (R, D) and scale such that X_hat = X - X W' W, without making X_hat; W is None where X_hat = X.

        For products of X_hat that are smaller than X_hat: Y' X_hat = Y'X - (Y'X W') W.
        """
        if x.shape[1] == 1 or x.shape[0] == 0:
            return None, x.dtype.type(1)
        W, seen = self._advance(x, update, rows=False)
        after = _energy_after(x, seen.H, W) if self.cancels else seen.left
        return W, _ratio(seen.energy, after, x.dtype)

    def _advance(self, x: Columns, update: bool, rows: bool = True) -> tuple[Array, Seen]:
        """The W of this call and what x tells of it; the estimate moves on. `rows`: only H is asked for."""
        G = None if on_device(x.blocks[0]) else self._scatter(x, update, rows)
        if self.t == 0:
            self._prime(x, G)
        if self.fisher is not None:
            settle([self.fisher])
        W = self.W
        if W.shape[1] != x.shape[1]:
            raise ValueError(
                f"natural gradient: rows have {x.shape[1]} columns, earlier ones had {W.shape[1]}"
            )
        updating = update and self.due
        self.t += 1
        seen = self._see(x, G, updating, rows)
        if updating:
            self._update(x, seen)
        return W, seen

    @property
    def due(self) -> bool:
        """Whether the estimate moves at the next call."""
        return self.t <= INITIAL_UPDATES or (self.t - INITIAL_UPDATES) % self.update_period == 0

    def _scatter(self, x: Columns, update: bool, rows: bool) -> Array | None:
        """X'X where it costs less than the products with X that it saves, and is not all rounding."""
        (n, dim), rank = x.shape, min(self.rank, x.shape[1] - 1)
        weighed = 0.6 if x.narrows and not rows else 1.25  # H in bfloat16, or H and what is made of it
        products = 8 if self.t == 0 and n > rank else 2 if update and self.due else weighed
        if n * rank * dim <= SMALL or dim > SYRK * (products - 1.25 * rows) * rank:
            return None
        X = x.dense()
        return X.T @ X

    def _see(self, x: Columns, G: Array | None, updating: bool, rows: bool) -> Seen:
        """What x tells of W now, from G = X'X if there is one."""
        (n, dim), W = x.shape, self.W
        if G is not None:
            J = W @ G
            H = x.times(W) if rows or self.cancels else None
            return Seen(G.trace(dtype=np.float64), H, J, J @ W.T, self._squared())
        if not (updating or rows) and (e := self._diagonal()) is not None:
            return self._weigh(x, e)
        H = x.times(W)  # (N, R)
        J = x.under(H) if updating else None  # (R, D)
        if updating and n > dim:
            L = multiply(J, W.T, exact=True)
        else:
            L = multiply(H.T, H, exact=True) if updating or not rows else None
        return Seen(x.sumsq(), H, J, L, None if L is None else self._squared())

    def _weigh(self, x: Columns, e: np.ndarray) -> Seen:
        """What x tells of tr(X_hat X_hat') alone, where WW' = diag(e): in bfloat16, if that pays."""
        large = x.shape[0] * self.W.size > SMALL and not self.cancels
        narrow = x.narrow() if large else None
        if narrow is not None:
            seen = _weighed(narrow.energy, narrow.times(self.W), e)
            if seen.left >= ROUNDED * seen.energy:
                return seen
        return _weighed(x.sumsq(), x.times(self.W), e)

    def _squared(self) -> Array:
        """E = WW', kept as long as W stays; on a device W changes where it lies."""
        if self._E[0] is not self.W or self.fisher is not None:
            self._E = self.W, multiply(self.W, self.W.T, exact=True)
        return self._E[1]

    def _diagonal(self) -> np.ndarray | None:
        """The diagonal of E; None on a device, and where rows of W have lost their right angles."""
        if self.fisher is not None:
            return None
        E = self._squared()
        if self._e[0] is not E:
            e = E.diagonal().copy()
            self._e = E, e if abs(E - np.diag(e)).max() <= RIGHT * e.max() else None
        return self._e[1]

    def _prime(self, x: Columns, G: Array | None) -> None:
        """Go over the first minibatch thrice from a made-up R, once if N <= rank (Kaldi: Init)."""
        n, dim = x.shape
        rank = min(self.rank, dim - 1)
        real = x.dtype.type
        e = real(1 / (2 + float(real(dim + rank) * real(self.alpha) / real(dim))))
        self.W = like(np.sqrt(e) * first_basis(rank, dim, x.dtype), x.blocks[0])
        self.d, self.rho = np.full(rank, EPSILON), EPSILON
        self.fisher = Fisher(self.W, EPSILON) if on_device(self.W) else None
        for _ in range(1 if n <= rank else 3):
            self._update(x, self._see(x, G, updating=True, rows=False))
            if self.fisher is not None:
                settle([self.fisher])

    def _eta(self, n: int) -> float:
        if self.num_minibatches_history > 0:
            return 1 / self.num_minibatches_history
        return min(0.9, 1 - math.exp(np.float32(-n / self.num_samples_history)))  # in float32 as in Kaldi

    def _update(self, x: Columns, seen: Seen) -> None:
        """Move W, d and rho towards the scatter of x; left alone if that is not finite."""
        (n, dim), W, J = x.shape, self.W, seen.J
        share = Share(self._eta(n), n, dim, self.alpha)
        if self.fisher is not None:
            self.fisher.hand_in(J, seen.L, seen.energy, (share.eta, n, dim, self.alpha))
            return
        energy = float(seen.energy)
        step = solve(self.d, self.rho, share, energy=energy, K=J @ J.T, L=seen.L)
        if step is None:
            return
        self.cancels = bool(seen.left < CANCELLED * energy)
        if n * W.size <= SMALL and self._rounding_decides(step, energy):
            self.W, self.d, self.rho = rounded_update(
                x.dense(), W, self.d, self.rho, alpha=self.alpha, eta=share.eta
            )
            return
        J += like(step.b[:, None], J) * W  # B
        self.W, self.d, self.rho = like(step.A, J) @ J, step.d, step.rho
        if step.suspect:
            self.W = reorthogonalize(self.W, share.e(step.d, step.rho))

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


def _weighed(energy: Array, H: np.ndarray, e: np.ndarray) -> Seen:
    return Seen(energy, H, None, np.einsum("nr,nr->r", H, H), e)


def _energy_after(x: Columns, H: Array | None, W: Array) -> Array:
    """tr(X_hat X_hat') summed over the blocks of X_hat, for when hardly anything is left of X."""
    H = x.times(W) if H is None else H
    total, start = 0.0, 0
    for part in x.pieces():
        total = total + sumsq(part - H @ W[:, start : start + part.shape[1]])
        start += part.shape[1]
    return total


def _ratio(before: Array, after: Array, dtype: np.dtype) -> Array:
    """sqrt(before / after), 1 where either is not positive."""
    xp = array_module(before)
    if xp is np:
        return dtype.type(math.sqrt(before / after) if before > 0 and after > 0 else 1.0)
    good = (before > 0) & (after > 0)
    return xp.sqrt(xp.where(good, before, 1.0) / xp.where(good, after, 1.0)).astype(dtype)

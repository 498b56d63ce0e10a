"""One step of an estimate of the Fisher matrix: what new rows make of d, rho and R, from R x R matrices.

F = R' diag(d) R + rho I moves towards the scatter of the rows, (1 - eta) F + (eta / n) X'X, projected on the
rows of R and what these become (Kaldi: OnlineNaturalGradient, whose header names the equations).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nnet.backend import Array
from nnet.kernels.lapack import eigh

EPSILON = 1e-10  # floor of rho and d
DELTA = 5e-4  # floor of rho and d relative to the largest eigenvalue
CONDITION = 1e6  # of the eigenvalues of Z; beyond it rows of R may have lost their right angles


@dataclass(frozen=True, eq=False)
class Seen:
    """What rows X (N, D) tell an estimate W (R, D): tr(XX'), H = X W', J = H'X, L = H'H, and E = WW'.

    What nobody asks for is None; L and E may be their diagonals (R,) where E has nothing else.
    """

    energy: Array
    H: Array
    J: Array
    L: Array
    E: Array

    @cached_property
    def left(self) -> Array:
        """tr(X_hat X_hat') of X_hat = X - H W: tr(XX') - 2 tr(L) + tr(L E)."""
        trace = self.L.trace(dtype=np.float64) if self.L.ndim == 2 else self.L.sum(dtype=np.float64)
        return self.energy - 2 * trace + (self.L * self.E).sum(dtype=np.float64)


@dataclass(frozen=True)
class Share:
    """How new rows count: `n` of them, of `dim` columns, with the share `eta`; alpha smooths."""

    eta: float
    n: int
    dim: int
    alpha: float

    def e(self, d: np.ndarray, rho: float) -> np.ndarray:
        """e of (eqn:tii), beta by (eqn:betat2)."""
        beta = rho * (1 + self.alpha) + self.alpha * d.sum() / self.dim
        return 1 / (beta / d + 1)


@dataclass(frozen=True, eq=False)
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


def solve(
    d: np.ndarray, rho: float, share: Share, *, energy: float, K: np.ndarray, L: np.ndarray
) -> Step | None:
    """The step that K = JJ', L = H'H and tr(XX') call for; None if these are not finite."""
    eta, n, dim = share.eta, share.n, share.dim
    s = 1 / np.sqrt(share.e(d, rho))
    Z = scatter(eta, n, d + rho, s, K=K, L=L)
    if not math.isfinite(energy + Z.trace()):  # J that is not finite shows in the diagonal of JJ'
        return None
    C, U = eigh(Z)
    C, U = C[::-1], U[:, ::-1]  # falling
    floor = (rho * (1 - eta)) ** 2
    root = np.sqrt(np.maximum(C, floor))
    rest = eta / n * energy + (1 - eta) * (dim * rho + d.sum()) - root.sum()
    new_rho = float(rest) / (dim - len(d))  # (eqn:rhot1)
    least = max(EPSILON, DELTA * float(root[0]))
    new_d = np.maximum(root - new_rho, least)  # (eqn:dt1)
    new_rho = max(new_rho, least)
    A = U.T * (eta / n * np.sqrt(share.e(new_d, new_rho)) / root)[:, None]
    A *= s
    b = (1 - eta) / (eta / n) * (d + rho)
    lowest = float(C[-1])
    condition = float(C[0]) / lowest if lowest > 0 else math.inf
    return Step(A, b, new_d, new_rho, condition, lowest < floor)


def scatter(eta: float, n: int, g: np.ndarray, s: np.ndarray, *, K: np.ndarray, L: np.ndarray) -> np.ndarray:
    """Z = Y Y' of (eqn:Zt) for g = d + rho and s = e^(-1/2), all (R,); K, L (R, R) as they were computed."""
    mixed = L * ((1 - eta) / (eta / n) * g)[:, None]
    Z = mixed + mixed.T  # L (g + g'), whatever rounding has made unlike in L and L'
    Z += K
    s = eta / n * s
    Z *= s[:, None]
    Z *= s
    Z.reshape(-1)[:: len(g) + 1] += ((1 - eta) * g) ** 2
    return Z

"""The LDA-like transform of a network's first, fixed layer: statistics of examples and the estimate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from nnet.formats.basic import open_output, open_whole
from nnet.formats.lda_stats import read_lda_stats, write_lda_stats
from nnet.minibatch import DenseTarget, SparseTarget, Target
from nnet.singular import eigh, svd


@dataclass
class LdaStats:
    """Weighted sums of frames by class, float64: count (C,), total (C, D), scatter (D, D) about 0."""

    count: np.ndarray
    total: np.ndarray
    scatter: np.ndarray

    @classmethod
    def zeros(cls, classes: int, dim: int) -> LdaStats:
        """Statistics of no frames."""
        return cls(np.zeros(classes), np.zeros((classes, dim)), np.zeros((dim, dim)))

    def accumulate(self, x: np.ndarray, label: np.ndarray, weight: np.ndarray) -> None:
        """Add frames x (K, D) of classes label (K,), weights (K,). Raises ValueError for an unknown class."""
        if not len(label):
            return
        if label.max() >= len(self.count) or label.min() < 0:
            wrong = label.max() if label.min() >= 0 else label.min()
            raise ValueError(f"class {wrong} is not in 0 ... {len(self.count) - 1}")
        x = x.astype(np.float64)
        weighted = x * weight[:, None]
        self.count += np.bincount(label, weight, len(self.count))
        order = np.argsort(label, kind="stable")
        classes, starts = np.unique(label[order], return_index=True)
        self.total[classes] += np.add.reduceat(weighted[order], starts, axis=0)
        self.scatter += weighted.T @ x

    def add_output(
        self, output: np.ndarray, target: Target, rand_prune: float, rng: np.random.Generator
    ) -> None:
        """Add outputs (T, N, D) with the posteriors in `target`, pruned at random below `rand_prune`."""
        entries = target if isinstance(target, SparseTarget) else _sparse(target)
        weight = random_prune(entries.weight, rand_prune, rng)
        kept = weight != 0
        self.accumulate(output[entries.t[kept], entries.n[kept]], entries.column[kept], weight[kept])

    def __iadd__(self, other: LdaStats) -> LdaStats:
        """Add another job's statistics. Raises ValueError if classes or dimensions differ."""
        if self.total.shape != other.total.shape:
            raise ValueError(
                f"LDA statistics do not fit together: {self.total.shape[0]} classes of dimension "
                f"{self.total.shape[1]} against {other.total.shape[0]} of {other.total.shape[1]}"
            )
        self.count += other.count
        self.total += other.total
        self.scatter += other.scatter
        return self

    def mean(self) -> np.ndarray:
        """Mean of all frames (D,). Raises ValueError if there are none."""
        if self.count.sum() == 0:
            raise ValueError("LDA statistics hold no frames: nothing can be estimated from them")
        return self.total.sum(0) / self.count.sum()

    def covariances(self) -> tuple[np.ndarray, np.ndarray]:
        """Total and between-class covariance, each (D, D) (Kaldi's LdaEstimate::GetStats)."""
        n, mean = self.count.sum(), self.mean()
        seen = self.count != 0
        means = self.total[seen] / self.count[seen, None]
        outer = np.outer(mean, mean)
        return self.scatter / n - outer, (means * (self.count[seen, None] / n)).T @ means - outer


def _sparse(target: DenseTarget) -> SparseTarget:
    values = np.asarray(target.values)
    t, n, column = np.nonzero(values)
    return SparseTarget(target.frames, values.shape[-1], t, n, column, values[t, n, column])


def random_prune(weight: np.ndarray, threshold: float, rng: np.random.Generator) -> np.ndarray:
    """`weight` with values below `threshold` set at random to 0 or +-threshold, keeping the expectation."""
    if threshold <= 0:
        return weight
    size = np.abs(weight)
    drawn = np.where(rng.random(len(weight)) <= size / threshold, np.copysign(threshold, weight), 0)
    return np.where((size >= threshold) | (size == 0), weight, drawn).astype(weight.dtype)


def read_stats(path: str) -> LdaStats:
    """Statistics from a Kaldi file. Raises FormatError, OSError."""
    with open_whole(path) as source:
        return LdaStats(*read_lda_stats(source))


def write_stats(stats: LdaStats, path: str, binary: bool = True) -> None:
    """Write statistics as a Kaldi file (single precision, as Kaldi does)."""
    with open_output(path, binary) as target:
        write_lda_stats(target, stats.count, stats.total, stats.scatter)


def sum_stats(paths: Iterable[str]) -> LdaStats:
    """The sum of statistics files (sum-lda-accs). Raises ValueError if there are none or they do not fit."""
    result: LdaStats | None = None
    for path in paths:
        stats = read_stats(path)
        if result is None:
            result = stats
        else:
            result += stats
    if result is None:
        raise ValueError("no LDA statistics to sum")
    return result


def feature_transform(
    stats: LdaStats,
    dim: int = -1,
    within_class_factor: float = 0.001,
    max_singular_value: float = 5.0,
    remove_offset: bool = True,
    log: Callable[[str], None] = lambda message: None,
) -> np.ndarray:
    """The transform (dim, D + 1) of nnet-get-feature-transform, float32: LDA, nuisance directions made small.

    Axes are scaled by sqrt((within_class_factor + v) / (1 + v)), v the between-class variance;
    singular values are limited to `max_singular_value` (if > 0); `remove_offset`: the last column subtracts
    the mean. dim <= 0 keeps all. Raises ValueError for empty statistics and too large a `dim`.
    """
    total, between = stats.covariances()
    full = len(total)
    if dim > full:
        raise ValueError(f"--dim={dim} is more than the {full} dimensions of the statistics")
    rows = dim if dim > 0 else full
    whiten = np.linalg.inv(cholesky(total - between, log))
    variance, u = eigh(whiten @ between @ whiten.T, "the whitened between-class covariance")
    variance = np.maximum(variance, 0)  # what is negative is rounding
    log(f"Data count is {stats.count.sum():g}")
    log(f"LDA singular values are {_shown(variance)}")
    log(f"Sum of all singular values is {variance.sum():g}")
    log(f"Sum of selected singular values is {variance[:rows].sum():g}")
    scale = np.sqrt((within_class_factor + variance) / (1.0 + variance))
    m = (scale[:, None] * (u.T @ whiten))[:rows].astype(np.float32)
    m = _limit(m, max_singular_value, log)
    if not remove_offset:
        return m
    return np.hstack([m, -(m @ stats.mean().astype(np.float32))[:, None]])


def cholesky(within: np.ndarray, log: Callable[[str], None]) -> np.ndarray:
    """The lower triangular C with C C' = within, whose diagonal grows a little where there is none.

    Raises ValueError if that is not enough.
    """
    try:
        return np.linalg.cholesky(within)
    except np.linalg.LinAlgError:
        smooth = 1e-3 * float(np.trace(within)) / len(within)
        log(
            f"Cholesky failed (possibly not +ve definite), so adding {smooth:g} to diagonal and trying again."
        )
    try:
        return np.linalg.cholesky(within + smooth * np.eye(len(within)))
    except np.linalg.LinAlgError:
        raise ValueError(
            f"within-class covariance is not positive definite (trace {np.trace(within):g}): too few frames?"
        ) from None


def _limit(m: np.ndarray, ceiling: float, log: Callable[[str], None]) -> np.ndarray:
    if ceiling <= 0:
        return m
    u, s, vt = svd(m, "the LDA transform")
    over = int((s > ceiling).sum())
    if over == 0:
        return m
    log(
        f"Applied ceiling to {over} out of {len(s)} singular values of transform using ceiling {ceiling:g}, "
        f"max is {s.max():g}"
    )
    return (u * np.minimum(s, np.float32(ceiling))) @ vt


def _shown(values: np.ndarray) -> str:
    return " [ " + "".join(f"{v:g} " for v in values) + "]"

"""Arrays in a few words, as nnet3-info and the log lines of training print them."""

from __future__ import annotations

import math

import numpy as np

from nnet.backend import Array, to_host

PERCENTILES = (0, 1, 2, 5, 10, 20, 50, 80, 90, 95, 98, 99, 100)
BRIEF = 10  # vectors shorter than this are printed whole


def succinct(value: float) -> str:
    """Two digits or so, none after the point from 10 on (Kaldi: PrintFloatSuccinctly)."""
    size = abs(value)
    if 10 <= size < 10000:
        return f"{value:.0f}"
    if size >= 0.995:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.01 else f"{value:.1g}"


def summarize(vector: Array) -> str:
    """Percentiles, mean and stddev of a vector, or its elements if few (Kaldi: SummarizeVector)."""
    v = to_host(vector).astype(np.float64)
    if len(v) < BRIEF:
        return "[ " + "".join(f"{succinct(x)} " for x in v) + "]"
    rising = np.sort(v)
    values = [succinct(rising[(len(v) - 1) * p // 100]) for p in PERCENTILES]
    mean, stddev = moments(v)
    return (
        f"[percentiles({_grouped([str(p) for p in PERCENTILES])})=({_grouped(values)}), "
        f"mean={mean:.3g}, stddev={stddev:.3g}]"
    )


def _grouped(words: list[str]) -> str:
    return " ".join(",".join(group) for group in (words[:4], words[4:9], words[9:]))


def moments(v: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of all elements of v (0 where rounding makes the variance negative)."""
    mean = float(v.mean())
    return mean, math.sqrt(max(0.0, float(np.vdot(v, v)) / v.size - mean * mean))


def vector_info(name: str, vector: Array) -> str:
    """`name-{mean,stddev}=m,s` (Kaldi: PrintParameterStats of a vector)."""
    mean, stddev = moments(to_host(vector).astype(np.float64))
    return f"{name}-{{mean,stddev}}={mean:.4g},{stddev:.4g}"


def rms_info(name: str, matrix: Array) -> str:
    """`name-rms=r`, the root mean square of the elements."""
    m = to_host(matrix).astype(np.float64)
    return f"{name}-rms={math.sqrt(float(np.vdot(m, m)) / m.size):.4g}"


def matrix_info(name: str, matrix: Array) -> list[str]:
    """Root mean square and the norms of rows and columns (Kaldi: PrintParameterStats of a matrix)."""
    m = to_host(matrix).astype(np.float64)
    return [
        rms_info(name, m),
        f"{name}-row-norms={summarize(np.linalg.norm(m, axis=1))}",
        f"{name}-col-norms={summarize(np.linalg.norm(m, axis=0))}",
    ]

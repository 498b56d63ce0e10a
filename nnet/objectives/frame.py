"""Frame-level objectives: value, weight and derivative at one output (Kaldi's ComputeObjectiveFunction)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nnet.backend import Array, array_module
from nnet.kernels import softmax
from nnet.minibatch import DenseTarget, SparseTarget, Target


@dataclass(frozen=True)
class Value:
    """An objective summed over frames, the weight to divide it by, and its derivative at the output (T, N,
    D). `extra` is a regularization term, not in `total`, that log lines show apart. Numbers may lie on a
    device.
    """

    total: Any
    weight: Any
    derivative: Array | None
    extra: Any = 0.0


def linear(output: Array, target: Target, with_derivative: bool = True) -> Value:
    """sum of target * output; on a log-softmax output with posteriors this is the log-likelihood.

    `output` is (T, N, D). The weight is the sum of the target's values; the derivative is the target.
    """
    _check_dims(output, target)
    if isinstance(target, DenseTarget):
        derivative = target.values.copy() if with_derivative else None  # a backward pass may overwrite it
        total = (output * target.values).sum(dtype=np.float64)
        return Value(total, target.values.sum(dtype=np.float64), derivative)
    total, derivative = softmax.labelled(output, *_entries(output, target), with_derivative)
    return Value(total, target.weight.sum(dtype=np.float64), derivative)


def _entries(output: Array, target: SparseTarget) -> tuple[Array, Array]:
    """Places in `output`, counted row by row, and weights of the labels, for kernels."""
    xp = array_module(output)
    _, N, D = output.shape
    at = xp.asarray((target.t * N + target.n) * D + target.column, dtype=np.int64)
    return at, xp.asarray(target.weight, dtype=output.dtype)


def cross_entropy(output: Array, target: Target, with_derivative: bool = True) -> Value:
    """`linear` of the log-softmax of `output`, with the derivative by `output` itself."""
    _check_dims(output, target)
    if isinstance(target, SparseTarget) and with_derivative:
        total, dx = softmax.cross_entropy(output, *_entries(output, target))
        return Value(total, target.weight.sum(dtype=np.float64), dx)
    y = softmax.log_softmax(output)
    value = linear(y, target, with_derivative)
    dy = value.derivative
    return value if dy is None else replace(value, derivative=softmax.log_softmax_backward(dy, y, dy))


def quadratic(output: Array, target: Target, with_derivative: bool = True) -> Value:
    """-1/2 |target - output|^2; the weight is the number of rows, the derivative target - output."""
    _check_dims(output, target)
    difference = dense(target, output) - output
    total = -0.5 * (difference * difference).sum(dtype=np.float64)
    rows = output.shape[0] * output.shape[1]
    return Value(total, float(rows), difference if with_derivative else None)


def dense(target: Target, like: Array) -> Array:
    """The target's values as an array of the shape and type of `like`, (T, N, D)."""
    xp = array_module(like)
    if isinstance(target, DenseTarget):
        return xp.asarray(target.values, dtype=like.dtype)
    values = xp.zeros_like(like)
    at = tuple(xp.asarray(i) for i in (target.t, target.n, target.column))
    values[at] = xp.asarray(target.weight, dtype=like.dtype)
    return values


def accuracy(output: Array, target: Target) -> tuple[np.ndarray, np.ndarray]:
    """Per class: weight of rows whose target is largest there, and the part of it that the output gets right.

    Both are float64 arrays (D,). As in Kaldi's ComputeAccuracy a row counts with the sum of its target
    values.
    """
    dim = output.shape[2]
    guess = output.argmax(axis=2)  # (T, N)
    wanted, weight = _best_rows(target, output.shape[:2])
    guess = guess.get() if hasattr(guess, "get") else guess
    right = weight * (guess == wanted)
    flat = wanted.ravel()
    return (
        np.bincount(flat, weight.ravel(), minlength=dim).astype(np.float64),
        np.bincount(flat, right.ravel(), minlength=dim).astype(np.float64),
    )


def _best_rows(target: Target, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The class of the largest value and the sum of values of every row: two (T, N) arrays."""
    if isinstance(target, DenseTarget):
        values = target.values.get() if hasattr(target.values, "get") else target.values
        return values.argmax(axis=2), values.sum(axis=2, dtype=np.float64)
    return _best_sparse_rows(target, shape)


def _best_sparse_rows(target: SparseTarget, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    row = target.t * shape[1] + target.n
    sums = np.bincount(row, target.weight, minlength=shape[0] * shape[1])
    order = np.lexsort((-target.column, target.weight, row))  # last of a row: largest weight, lowest column
    best = np.zeros(shape[0] * shape[1], np.int64)
    best[row[order]] = target.column[order]
    return best.reshape(shape), sums.reshape(shape)


def _check_dims(output: Array, target: Target) -> None:
    dim = target.values.shape[2] if isinstance(target, DenseTarget) else target.dim
    if output.shape[2] != dim:
        raise ValueError(
            f"the network's output has dim {output.shape[2]}, the examples' labels have {dim}: "
            "were the examples made with another num-pdfs?"
        )

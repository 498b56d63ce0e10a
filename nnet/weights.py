"""Weights as a config line asks for them: read from a file or drawn from a normal distribution."""

from __future__ import annotations

import math

import numpy as np

from nnet.config_line import ConfigLine


def positive(line: ConfigLine, key: str) -> int:
    """A dimension from the config line. Raises ValueError unless it is positive."""
    value = line.int(key)
    if value <= 0:
        raise ValueError(f"{line.where}: {key}={value} is not positive")
    return value


def in_range(line: ConfigLine, key: str, default: float, highest: float = float("inf")) -> float:
    """The value of `key`, which must lie in [0, highest]."""
    value = line.float(key, default)
    if not 0 <= value <= highest:
        raise ValueError(f"{line.where}: {key}={value} is not in [0, {highest:g}]")
    return value


def check_dims(line: ConfigLine, dim_in: int, dim_out: int) -> None:
    """Raise ValueError if the line gives other dims than the matrix it names."""
    for key, dim in (("input-dim", dim_in), ("output-dim", dim_out)):
        if line.int(key, dim) != dim:
            raise ValueError(f"{line.where}: {key}={line.int(key)}, but the matrix has {dim}")


def split_bias(M: np.ndarray, line: ConfigLine) -> dict[str, np.ndarray]:
    """W and b from a matrix whose last column is the bias."""
    if M.ndim != 2 or M.shape[1] < 2:
        raise ValueError(f"{line.where}: matrix of shape {M.shape} has no column for the bias")
    return {"W": M[:, :-1].copy(), "b": M[:, -1].copy()}


def random_weights(line: ConfigLine, rng: np.random.Generator, blocks: int = 1) -> np.ndarray:
    """Normal W (out, blocks * input-dim) of stddev param-stddev, 1 / sqrt(columns) if absent or negative."""
    dim_in, dim_out = blocks * positive(line, "input-dim"), positive(line, "output-dim")
    stddev = line.float("param-stddev", -1.0)
    if stddev < 0:
        stddev = 1 / math.sqrt(dim_in)
    return np.float32(stddev) * rng.standard_normal((dim_out, dim_in), dtype=np.float32)


def weights_and_bias(
    line: ConfigLine, rng: np.random.Generator, *, bias_mean: bool
) -> tuple[np.ndarray, np.ndarray]:
    """W and b from `matrix`, else drawn; whether the option bias-mean exists depends on the type."""
    if line.has("matrix"):
        parts = split_bias(np.asarray(line.matrix("matrix"), dtype=np.float32), line)
        check_dims(line, parts["W"].shape[1], len(parts["b"]))
        return parts["W"], parts["b"]
    W = random_weights(line, rng)
    return W, random_vector(
        len(W), rng, line.float("bias-mean", 0.0) if bias_mean else 0.0, line.float("bias-stddev", 1.0)
    )


def random_vector(dim: int, rng: np.random.Generator, mean: float, stddev: float) -> np.ndarray:
    """Normal numbers of given mean and standard deviation, (dim,)."""
    return np.float32(stddev) * rng.standard_normal(dim, dtype=np.float32) + np.float32(mean)


def read_vector(line: ConfigLine, key: str) -> np.ndarray:
    """The vector in the file that `key` names, float32."""
    v = np.array(line.matrix(key), dtype=np.float32)
    if v.ndim != 1 or not len(v):
        raise ValueError(
            f"{line.where}: {key}={line.str(key)} has shape {v.shape}, not a vector with elements"
        )
    return v


def vector_or_random(
    line: ConfigLine, rng: np.random.Generator, file_key: str, dim_key: str, mean: float
) -> np.ndarray:
    """The vector in a file, else param-mean + param-stddev * normal numbers."""
    if line.has(file_key):
        v = read_vector(line, file_key)
        if line.int("dim", len(v)) != len(v):
            raise ValueError(f"{line.where}: dim={line.int('dim')}, but the vector has {len(v)} elements")
        return v
    mean, stddev = line.float("param-mean", mean), line.float("param-stddev", 0.0)
    return random_vector(positive(line, dim_key), rng, mean, stddev)


def check_block(line: ConfigLine, dim: int, block: int) -> None:
    """Raise ValueError unless `block` goes into `dim` a whole number of times."""
    if block <= 0 or dim <= 0 or dim % block:
        raise ValueError(f"{line.where}: dim={dim} is not a positive multiple of the block's {block}")


def constraint_info(constraint: float) -> list[str]:
    """The orthonormal constraint as nnet3-info prints it, nothing if there is none."""
    return [f"orthonormal-constraint={constraint:g}"] if constraint else []

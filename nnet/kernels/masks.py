"""Random masks that are the same on host and device: numpy's Philox4x64-10, drawn where the mask is wanted.

The numbers are a function of (seed, node, index), so neither a rerun nor the device nor the order of layers
changes them. Ten rounds on 64-bit words cost a GPU about ten operations an element; numpy has them in C.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from nnet.backend import Array, array_module
from nnet.kernels.launch import elementwise, on_device

LEVELS = 2**16  # a mask compares 16 random bits


class Seed(int):
    """The seed of a minibatch, which lies on a device as well: `there` (1,), uint64.

    Kernels read it there, so that a graph that was captured draws new masks when it lies there anew.
    """

    there: Array

    @classmethod
    def at(cls, value: int, there: Array) -> Seed:
        """`value`, written to `there`."""
        seed = cls(value)
        seed.there = there
        there.fill(np.uint64(value & (2**64 - 1)))
        return seed


def _key_there(seed: Sequence[int], like: Array) -> tuple[Array, np.uint64]:
    """The key for a kernel: its first word on the device where `like` lies."""
    first, second = key_of(seed)
    there = getattr(seed[0], "there", None)
    return (array_module(like).full(1, first, np.uint64) if there is None else there), second


def key_of(seed: Sequence[int]) -> tuple[np.uint64, np.uint64]:
    """The two words of a key from (seed of the minibatch, node) or (seed, node, row)."""
    words = [*seed, 0, 0][:3]
    return np.uint64(words[0] & (2**64 - 1)), np.uint64((words[2] & 0xFFFFFFFF) << 32 | words[1] & 0xFFFFFFFF)


def _philox(seed: Sequence[int]) -> np.random.Philox:
    return np.random.Philox(key=np.array(key_of(seed), np.uint64))


def kept(seed: Sequence[int], shape: tuple[int, ...], proportion: float, like: Array) -> Array:
    """Booleans where `like` lies, False for a random `proportion` (to within 1 / LEVELS) of the elements."""
    size, threshold = prod(shape), round(proportion * LEVELS)
    if not on_device(like):
        bits = _philox(seed).random_raw(-(-size // 4)).astype("<u8", copy=False).view("<u2")[:size]
        return (bits >= threshold).reshape(shape)
    mask = array_module(like).empty(shape, bool)
    blocks = -(-size // 16)
    elementwise(
        like, "masks", "kept", blocks, mask, np.int64(size), np.int32(threshold), *_key_there(seed, like)
    )
    return mask


def uniform(seed: Sequence[int], shape: tuple[int, ...], low: float, width: float, like: Array) -> Array:
    """Uniform on [low, low + width), of the type of `like` and where it lies."""
    size, real = prod(shape), like.dtype.type
    if not on_device(like):
        mask = np.random.Generator(_philox(seed)).random(shape, dtype=like.dtype)
        mask *= real(width)
        mask += real(low)
        return mask
    mask = array_module(like).empty(shape, like.dtype)
    blocks = -(-size // (8 if like.dtype.itemsize == 4 else 4))
    key = _key_there(seed, like)
    elementwise(like, "masks", "uniform", blocks, mask, np.int64(size), real(low), real(width), *key)
    return mask

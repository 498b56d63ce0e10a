"""Writing the alphabet of Kaldi's files: tokens, numbers and integer vectors, binary or text."""

from __future__ import annotations

import builtins
import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, BinaryIO

import numpy as np


def number(value: builtins.float) -> str:
    """A number as Kaldi's text files print it: 7 significant digits."""
    return f"{value:.7g}"


class KaldiOutput:
    """A Kaldi file being written to the byte stream `stream`, in binary or text form."""

    def __init__(self, stream: BinaryIO, binary: bool = True):
        self.stream = stream
        self.binary = binary

    def header(self) -> None:
        """The two bytes \\0B that start a binary object; nothing in text."""
        if self.binary:
            self.stream.write(b"\0B")

    def write(self, data: bytes) -> None:
        """Bytes as they are."""
        self.stream.write(data)

    def text(self, text: str) -> None:
        """Text as it is, UTF-8."""
        self.stream.write(text.encode("utf-8"))

    def token(self, token: str) -> None:
        """A token and the space after it. Raises ValueError if it is empty or contains white space."""
        self.stream.write(_encoded(token))

    def newline(self) -> None:
        """A line break in text form; nothing in binary, as in Kaldi's `if (!binary)`."""
        if not self.binary:
            self.stream.write(b"\n")

    def int32(self, value: int) -> None:
        """A 32-bit integer. Raises ValueError if it does not fit."""
        if not -(2**31) <= value < 2**31:
            raise ValueError(f"{value} does not fit into 32 bits")
        self.stream.write(struct.pack("<bi", 4, value) if self.binary else b"%d " % value)

    def float(self, value: builtins.float) -> None:
        """A number in single precision."""
        value = builtins.float(np.float32(value))
        self.stream.write(struct.pack("<bf", 4, value) if self.binary else f"{number(value)} ".encode())

    def double(self, value: builtins.float) -> None:
        """A number in double precision."""
        self.stream.write(struct.pack("<bd", 8, value) if self.binary else f"{number(value)} ".encode())

    def bool(self, value: builtins.bool) -> None:
        """T or F, in text followed by a space."""
        self.text(("T" if value else "F") + ("" if self.binary else " "))

    def int_vector(self, values: Any) -> None:
        """Integers of shape (K,); raises ValueError unless they fit into 32 bits."""
        v = as_int32(values)
        if v.ndim != 1:
            raise ValueError(f"a vector of integers must have one axis, this one has the shape {v.shape}")
        if self.binary:
            self.stream.write(struct.pack("<bi", 4, len(v)) + v.tobytes())
        else:
            self.text("[ " + "".join(f"{i} " for i in v.tolist()) + "]\n")

    def pair_vector(self, pairs: Any) -> None:
        """Integers of shape (K, 2)."""
        v = as_int32(pairs).reshape(-1, 2)
        if self.binary:
            self.stream.write(struct.pack("<bi", 4, len(v)) + v.tobytes())
        else:
            self.text("[ " + "".join(f"{a},{b} " for a, b in v.tolist()) + "]\n")

    def vector(self, values: np.ndarray) -> None:
        """A vector (D,): float64 as DV, everything else as FV."""
        from nnet.formats.matrix import write_vector  # noqa: PLC0415 - matrix builds on this file

        write_vector(self, values)

    def matrix(self, value: Any) -> None:
        """A matrix (rows, columns) or compressed matrix: float64 as DM, other arrays as FM."""
        from nnet.formats.matrix import write_matrix  # noqa: PLC0415 - matrix builds on this file

        write_matrix(self, value)


@lru_cache(maxsize=4096)
def _encoded(token: str) -> bytes:
    """The bytes of a token, which are checked once."""
    check_token(token)
    return (token + " ").encode("utf-8")


def check_token(token: str) -> None:
    """Raise ValueError unless `token` is a word that can be read back."""
    if not token:
        raise ValueError("an empty text cannot be written as a token")
    if not token.isprintable() or len(token.split()) != 1 or token != token.strip():
        raise ValueError(
            f"{token!r} cannot be written as a token: it contains white space or control characters"
        )


def as_int32(values: Iterable[int] | np.ndarray) -> np.ndarray:
    """`values` as an int32 array. Raises ValueError naming a value that is no integer or does not fit."""
    v = np.asarray(values if isinstance(values, np.ndarray) else list(values))
    if v.size == 0:
        return np.zeros(v.shape, "<i4")
    if v.dtype.kind not in "iub":
        raise ValueError(f"expected integers, found values of type {v.dtype}")
    if v.dtype != np.int32 and (v.max() > 2**31 - 1 or v.min() < -(2**31)):
        raise ValueError(f"{max(int(v.max()), -int(v.min()))} does not fit into 32 bits")
    return np.ascontiguousarray(v, "<i4")

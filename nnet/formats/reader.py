"""Reading the alphabet of Kaldi's files: tokens, numbers and integer vectors, binary or text."""

from __future__ import annotations

import builtins
import re
import struct
from typing import Any

import numpy as np

from nnet.formats.source import MAX_TOKEN, Source
from nnet.formats.writer import as_int32

_FLOAT = struct.Struct("<f")
_BRACKET = re.compile(rb"\]")
_NUMBER_END = re.compile(rb"[^0-9A-Za-z+.\-]")


class KaldiInput(Source):
    """A Kaldi file being read: what `Source` reads, and numbers and vectors in binary or text form."""

    def number_text(self, what: str) -> str:
        """The characters of a number in a text file; what follows is not consumed."""
        self.skip_space()
        data = self.until(_NUMBER_END, what, MAX_TOKEN)
        if not data:
            self.error(f"expected {what}, found {self.shown()}")
        return data.decode("ascii", "replace")

    def int32(self) -> int:
        """A 32-bit integer."""
        if not self.binary:
            return self._parsed(int, "an integer")
        self._size_byte(4, what="an integer")
        return int(struct.unpack("<i", self.read_bytes(4, "an integer"))[0])

    def float(self) -> builtins.float:
        """A number of single precision (a stored double is rounded to it)."""
        if self.binary and self.literal(b"\4"):
            return builtins.float(_FLOAT.unpack(self.read_bytes(4, "a number"))[0])
        with np.errstate(over="ignore", invalid="ignore"):
            return builtins.float(np.float32(self.double()))

    def double(self) -> builtins.float:
        """A number of double precision (a stored float is widened)."""
        if not self.binary:
            return self._parsed(float, "a number")
        size = self._size_byte(4, 8, what="a number")
        return float(struct.unpack("<f" if size == 4 else "<d", self.read_bytes(size, "a number"))[0])

    def bool(self) -> builtins.bool:
        """T or F."""
        if not self.binary:
            self.skip_space()
        letter = self.peek_byte()
        if letter not in (ord("T"), ord("F")):
            self.error(f"expected T or F, found {self.shown()}")
        self.position += 1
        return letter == ord("T")

    def _parsed(self, kind: Any, what: str) -> Any:
        text = self.number_text(what)
        try:
            value = kind(text)
        except ValueError:
            self.error(f"expected {what}, found {text[:40]}")
        if kind is int and not -(2**31) <= value < 2**31:
            self.error(f"{value} does not fit into 32 bits")
        return value

    def _size_byte(self, *sizes: int, what: str) -> int:
        size = self.peek_byte()
        if size not in sizes:
            names = " or ".join(str(s) for s in sizes)
            self.error(
                f"expected {what} (size byte {names}), found {'the end of the file' if size < 0 else size}"
            )
        self.position += 1
        return size

    def int_vector(self) -> np.ndarray:
        """An int32 array of shape (K,)."""
        if self.binary:
            return self._int32_array(1)
        return self._int_text(rb"[\s\d+-]*", " ").reshape(-1)

    def pair_vector(self) -> np.ndarray:
        """An int32 array of shape (K, 2)."""
        if self.binary:
            return self._int32_array(2).reshape(-1, 2)
        return self._int_text(rb"(?:\s*[+-]?\d+,\s*[+-]?\d+)*\s*", ",").reshape(-1, 2)

    def _int32_array(self, width: int) -> np.ndarray:
        self._size_byte(4, what="a vector of integers")
        count = struct.unpack("<i", self.read_bytes(4, "the size of a vector"))[0]
        if count < 0:
            self.error(f"a vector has the size {count}")
        return self.array("<i4", count * width, f"a vector of {count} integers")

    def _int_text(self, form: bytes, separator: str) -> np.ndarray:
        self.open_bracket()
        body = self.until(_BRACKET, "a vector of integers")
        self.close_bracket()
        if not re.fullmatch(form, body):
            self.error(f"expected integers between brackets, found {body[:40]!r}")
        words = body.decode("ascii").replace(separator, " ").split()
        try:
            return as_int32([int(w) for w in words])
        except ValueError:
            self.error("an integer of the vector does not fit into 32 bits")

    def open_bracket(self) -> None:
        """Consume white space and `[`."""
        self.skip_space()
        if self.peek_byte() != ord("["):
            self.error(f"expected [, found {self.shown()}")
        self.position += 1

    def close_bracket(self) -> None:
        """Consume `]`."""
        if self.peek_byte() != ord("]"):
            self.error(f"expected ], found {self.shown()}")
        self.position += 1

    def vector(self, dtype: Any = None) -> np.ndarray:
        """A vector (D,) of floats: of `dtype`, or as stored (text: float32)."""
        from nnet.formats.matrix import read_vector  # noqa: PLC0415 - matrix builds on this file

        return read_vector(self, dtype)

    def matrix(self, dtype: Any = None) -> np.ndarray:
        """A dense matrix (rows, columns): of `dtype`, or as stored (text, compressed: float32)."""
        from nnet.formats.matrix import read_matrix  # noqa: PLC0415 - matrix builds on this file

        return read_matrix(self, dtype)

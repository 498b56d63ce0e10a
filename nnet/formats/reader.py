"""Reading the alphabet of Kaldi's files: tokens, numbers and integer vectors, binary or text."""

from __future__ import annotations

import io
import os
import re
import stat
import struct
from typing import Any, BinaryIO, NoReturn, cast

import numpy as np

CHUNK = 1 << 20  # bytes taken at once from a stream whose size is unknown
MAX_TOKEN = 1 << 16  # no token or number of a sound file is longer
_SPACE = re.compile(rb"[ \t\n\v\f\r]")
_NOT_SPACE = re.compile(rb"[^ \t\n\v\f\r]")
_NUMBER_END = re.compile(rb"[^0-9A-Za-z+.\-]")


class FormatError(ValueError):
    """A file does not hold what its format demands; the message names file, byte offset and expectation."""


class KaldiInput:
    """A Kaldi file being read. `offset` counts bytes from the start of the file (of the uncompressed data for gz).

    `binary` says which of the two forms follows; table readers set it for each object.
    Every reading method raises FormatError when the bytes are not what it expects.
    """

    def __init__(self, stream: BinaryIO, name: str = "input", binary: bool = True):
        self.stream = (
            stream if hasattr(stream, "peek") else cast(BinaryIO, io.BufferedReader(cast(Any, stream)))
        )
        self.name = name
        self.binary = binary
        self.offset, self._size = _place(stream)
        self._ahead = b""  # bytes taken from the stream but not yet consumed

    @property
    def remaining(self) -> int | None:
        """Bytes left in a regular file; None for a pipe or compressed data, whose size is not known."""
        return None if self._size is None else max(self._size - self.offset, 0)

    def error(self, message: str) -> NoReturn:
        """Raise FormatError: file, offset, message."""
        raise FormatError(f"{self.name}, byte {self.offset}: {message}")

    # -- bytes

    def window(self) -> bytes:
        """Some of the bytes that come next, without consuming them; empty at the end of the file."""
        return self._ahead or cast(io.BufferedReader, self.stream).peek(1)

    def skip(self, count: int) -> None:
        """Consume `count` bytes that `window` has shown."""
        self.offset += count
        if self._ahead:
            self._ahead = self._ahead[count:]
        else:
            self.stream.read(count)

    def at_end(self) -> bool:
        """Whether no byte is left."""
        return not self.window()

    def peek_byte(self) -> int:
        """The next byte without consuming it; -1 at the end of the file."""
        window = self.window()
        return window[0] if window else -1

    def need(self, count: int, what: str) -> None:
        """Raise FormatError if the file cannot hold `count` more bytes for `what`; nothing is read or allocated."""
        left = self.remaining
        if count < 0 or (left is not None and count > left):
            self.error(f"{what} needs {count} bytes, the file has {left} left; it is truncated or damaged")

    def read_bytes(self, count: int, what: str = "data") -> bytes:
        """Exactly `count` bytes. Memory is taken only for bytes that exist."""
        self.need(count, what)
        data = self._ahead[:count]
        self._ahead = self._ahead[count:]
        if len(data) < count:
            data = data + self._from_stream(count - len(data)) if data else self._from_stream(count)
        if len(data) != count:
            self.error(f"{what} needs {count} bytes, only {len(data)} are left; it is truncated or damaged")
        self.offset += count
        return data

    def _from_stream(self, count: int) -> bytes:
        if count <= CHUNK or self._size is not None:
            return self.stream.read(count)
        parts = []
        while count > 0:
            part = self.stream.read(min(count, CHUNK))
            if not part:
                break
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def array(self, dtype: Any, count: int, what: str) -> np.ndarray:
        """`count` values of `dtype` as a writable array of shape (count,)."""
        size = np.dtype(dtype).itemsize * count
        return np.frombuffer(bytearray(self.read_bytes(size, what)), dtype)

    # -- text

    def skip_space(self) -> None:
        """Consume white space."""
        while window := self.window():
            match = _NOT_SPACE.search(window)
            self.skip(match.start() if match else len(window))
            if match:
                return

    def until(self, stop: re.Pattern[bytes], what: str, limit: int | None = None) -> bytes:
        """The bytes before the first match of `stop` (one byte wide), or before the end of the file."""
        parts, total = [], 0
        while window := self.window():
            match = stop.search(window)
            part = window[: match.start()] if match else window
            parts.append(part)
            total += len(part)
            self.skip(len(part))
            if limit is not None and total > limit:
                self.error(f"{what} is longer than {limit} bytes; this is no Kaldi file or it is damaged")
            if match:
                break
        return b"".join(parts)

    def line(self) -> str:
        """The text up to the end of the line, which is consumed but not returned. Kept text in binary files too."""
        data = self.until(re.compile(rb"\n"), "a line")
        if not self.at_end():
            self.skip(1)
        return self._decode(data, "a line")

    def _decode(self, data: bytes, what: str) -> str:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            self.error(f"expected {what}, found {data[:20]!r}, which is not text")

    def token(self) -> str:
        """The next token and the one space after it, which must be there."""
        self.skip_space()
        data = self.until(_SPACE, "a token", MAX_TOKEN)
        if not data:
            self.error("expected a token, found the end of the file")
        text = self._decode(data, "a token")
        if self.at_end():
            self.error(f"expected a space after the token {text}, found the end of the file")
        self.skip(1)
        return text

    def peek_token(self) -> str:
        """The whole next token without consuming it; empty at the end of the file."""
        self.skip_space()
        offset = self.offset
        data = self.until(_SPACE, "a token", MAX_TOKEN)
        self._ahead = data + self._ahead
        self.offset = offset
        return data.decode("utf-8", "replace")

    def expect(self, *tokens: str) -> str:
        """Consume the next token, which must be one of `tokens`, and return it."""
        offset = self.offset
        token = self.token()
        if token not in tokens:
            self.offset = offset
            self.error(f"expected {' or '.join(tokens)}, found {token[:60]}")
        return token

    def number_text(self, what: str) -> str:
        """The characters of a number in a text file; what follows is not consumed."""
        self.skip_space()
        data = self.until(_NUMBER_END, what, MAX_TOKEN)
        if not data:
            found = self.window()[:10]
            self.error(
                f"expected {what}, found {found!r}"
                if found
                else f"expected {what}, found the end of the file"
            )
        return data.decode("ascii", "replace")

    # -- numbers

    def int32(self) -> int:
        """A 32-bit integer."""
        if not self.binary:
            return self._parsed(int, "an integer")
        self._size_byte(4, what="an integer")
        return int(struct.unpack("<i", self.read_bytes(4, "an integer"))[0])

    def float(self) -> float:
        """A number of single precision (a stored double is rounded to it)."""
        with np.errstate(over="ignore"):
            return float(np.float32(self.double()))

    def double(self) -> float:
        """A number of double precision (a stored float is widened)."""
        if not self.binary:
            return self._parsed(float, "a number")
        size = self._size_byte(4, 8, what="a number")
        return float(struct.unpack("<f" if size == 4 else "<d", self.read_bytes(size, "a number"))[0])

    def bool(self) -> bool:
        """T or F."""
        if not self.binary:
            self.skip_space()
        letter = self.peek_byte()
        if letter not in (ord("T"), ord("F")):
            self.error(f"expected T or F, found {self.window()[:10]!r}")
        self.skip(1)
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
        self.skip(1)
        return size

    # -- vectors

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
        body = self.until(re.compile(rb"\]"), "a vector of integers")
        self.close_bracket()
        if not re.fullmatch(form, body):
            self.error(f"expected integers between brackets, found {body[:40]!r}")
        words = body.decode("ascii").replace(separator, " ").split()
        try:
            return np.array([int(w) for w in words], np.int32)
        except (OverflowError, ValueError):
            self.error("an integer of the vector does not fit into 32 bits")

    def open_bracket(self) -> None:
        """Consume white space and `[`."""
        self.skip_space()
        if self.peek_byte() != ord("["):
            self.error(f"expected [, found {self.window()[:10]!r}")
        self.skip(1)

    def close_bracket(self) -> None:
        """Consume `]`."""
        if self.peek_byte() != ord("]"):
            self.error(f"expected ], found {self.window()[:10]!r}")
        self.skip(1)

    def vector(self, dtype: Any = None) -> np.ndarray:
        """A vector (D,) of floats: of `dtype`, or as stored (text: float32)."""
        from nnet.formats import matrix

        return matrix.read_vector(self, dtype)

    def matrix(self, dtype: Any = None) -> np.ndarray:
        """A matrix (rows, columns) of floats, decompressed: of `dtype`, or as stored (text, compressed: float32)."""
        from nnet.formats import matrix

        return matrix.read_matrix(self, dtype)


def _place(stream: BinaryIO) -> tuple[int, int | None]:
    """Position and size of a regular file or of bytes in memory; (0, None) when there is no size."""
    if isinstance(stream, io.BytesIO):
        return stream.tell(), len(stream.getbuffer())
    if isinstance(getattr(stream, "raw", None), io.FileIO):
        status = os.fstat(stream.fileno())
        if stat.S_ISREG(status.st_mode):
            return stream.tell(), status.st_size
    return 0, None

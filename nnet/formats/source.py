"""The bytes of a file being read: looked at ahead, counted, never believed to be as many as a header says."""

from __future__ import annotations

import builtins
import io
import os
import re
import stat
from functools import lru_cache
from typing import Any, BinaryIO, NoReturn, cast

import numpy as np

BLOCK = 1 << 14  # bytes taken from a stream when a few are wanted
CHUNK = 1 << 20  # bytes taken from a stream at most at once, so that memory follows what exists
MAX_TOKEN = 1 << 16  # no token or number of a sound file is longer
_SPACE = re.compile(rb"[ \t\n\v\f\r]")
_NOT_SPACE = re.compile(rb"[^ \t\n\v\f\r]")
_NOTHING = re.compile(rb"(?!)")
_LINE_END = re.compile(rb"\n")


class FormatError(ValueError):
    """A file does not hold what its format demands; the message names file, byte offset and expectation."""


class Source:
    """A file being read. `offset` counts bytes from the start of the file (for gz: of the plain data).

    `binary` says which of the two forms follows; table readers set it for each object.
    Every reading method raises FormatError when the bytes are not what it expects.
    """

    def __init__(self, stream: BinaryIO, name: str = "input", binary: builtins.bool = True):
        self.stream = stream
        self.name = name
        self.binary = binary
        self._start, self._size = _place(stream)  # offset of buffer[0] in the file; size of the file
        self.buffer, self.position = b"", 0  # bytes taken from the stream; how many of them are consumed

    @property
    def offset(self) -> int:
        """Bytes consumed, counted from the start of the file."""
        return self._start + self.position

    @property
    def remaining(self) -> int | None:
        """Bytes left in a regular file; None for a pipe or compressed data, whose size is not known."""
        return None if self._size is None else max(self._size - self.offset, 0)

    def error(self, message: str, offset: int | None = None) -> NoReturn:
        """Raise FormatError: file, offset (of the next byte unless given), message."""
        raise FormatError(f"{self.name}, byte {self.offset if offset is None else offset}: {message}")

    def seek(self, offset: int) -> None:
        """Continue at byte `offset` of a regular file."""
        if offset == self.offset:
            return
        if not self._start <= offset < self._start + len(self.buffer):
            self.stream.seek(offset)
            self._start, self.buffer = offset, b""
        self.position = offset - self._start

    # -- bytes

    def ahead(self, count: int) -> int:
        """How many of the next `count` bytes exist; they then stand in `buffer` from `position` on."""
        if self.position + count <= len(self.buffer):
            return count
        while len(self.buffer) - self.position < count:
            missing = count - (len(self.buffer) - self.position)
            more = cast(Any, self.stream).read1(min(max(missing, BLOCK), CHUNK))
            if not more:
                break
            self._start += self.position
            self.buffer, self.position = self.buffer[self.position :] + more, 0
        return min(count, len(self.buffer) - self.position)

    def at_end(self) -> builtins.bool:
        """Whether no byte is left."""
        return self.ahead(1) == 0

    def peek_byte(self) -> int:
        """The next byte without consuming it; -1 at the end of the file."""
        return self.buffer[self.position] if self.ahead(1) else -1

    def need(self, count: int, what: str) -> None:
        """Raise FormatError if the file cannot hold `count` more bytes; nothing is read or allocated."""
        left = self.remaining
        if count < 0 or (left is not None and count > left):
            self.error(f"{what} needs {count} bytes, the file has {left} left; it is truncated or damaged")

    def read_bytes(self, count: int, what: str = "data") -> bytes:
        """Exactly `count` bytes. Memory is taken only for bytes that exist."""
        if count <= BLOCK and self.ahead(count) == count:
            self.position += count
            return self.buffer[self.position - count : self.position]
        return bytes(self._large(count, what))

    def _large(self, count: int, what: str) -> bytearray:
        """`count` bytes, at once where the size of the file is known, else piece by piece."""
        self.need(count, what)
        data = bytearray(self.buffer[self.position : self.position + count])
        buffered = have = len(data)
        while have < count:
            data += bytes(count - have if self._size is not None else min(count - have, CHUNK))
            got = cast(Any, self.stream).readinto(memoryview(data)[have:])
            if not got:
                self.error(f"{what} needs {count} bytes, only {have} are left; it is truncated or damaged")
            have += got
            del data[have:]
        if count <= buffered:
            self.position += count
        else:
            self._start, self.buffer, self.position = self.offset + count, b"", 0
        return data

    def array(self, dtype: Any, count: int, what: str) -> np.ndarray:
        """`count` values of `dtype` as a writable array of shape (count,)."""
        size = np.dtype(dtype).itemsize * count
        if size > BLOCK:
            return np.frombuffer(self._large(size, what), dtype)
        return np.frombuffer(bytearray(self.read_bytes(size, what)), dtype)

    def literal(self, data: bytes) -> builtins.bool:
        """Consume `data` if it comes next: usual bytes are compared at once instead of token by token."""
        if self.position + len(data) > len(self.buffer):
            self.ahead(len(data))
        found = self.buffer.startswith(data, self.position)
        if found:
            self.position += len(data)
        return found

    # -- text

    def skip_space(self) -> None:
        """Consume white space."""
        while self.ahead(1):
            match = _NOT_SPACE.search(self.buffer, self.position)
            self.position = match.start() if match else len(self.buffer)
            if match:
                return

    def until(self, stop: re.Pattern[bytes], what: str, limit: int | None = None) -> bytes:
        """The bytes before the first match of `stop` (one byte wide), or before the end of the file."""
        parts, total = [], 0
        while self.ahead(1):
            match = stop.search(self.buffer, self.position)
            end = match.start() if match else len(self.buffer)
            parts.append(self.buffer[self.position : end])
            total += end - self.position
            if limit is not None and total > limit:
                self.error(f"{what} is longer than {limit} bytes; this is no Kaldi file or it is damaged")
            self.position = end
            if match:
                break
        return b"".join(parts)

    def text(self) -> str:
        """All that is left, as text."""
        return self.decode(self.until(_NOTHING, "text"), "text")

    def shown(self) -> str:
        """The next bytes, for a message."""
        count = self.ahead(20)
        return repr(self.buffer[self.position : self.position + count]) if count else "the end of the file"

    def line(self, ended: builtins.bool = False) -> str:
        """The text up to the end of the line, which is consumed but not returned; in binary files too.

        With `ended` the line must have an end; else the end of the file will do.
        """
        if self.at_end():
            self.error("expected a line, found the end of the file")
        data = self.until(_LINE_END, "a line")
        if ended and self.at_end():
            self.error("expected the end of the line, found the end of the file")
        self.position += self.ahead(1)
        return self.decode(data, "a line")

    def end_line(self) -> None:
        """Consume the end of the line (\\n or \\r\\n) if it comes next."""
        count = self.ahead(2)
        following = self.buffer[self.position : self.position + count]
        if following[:1] == b"\n":
            self.position += 1
        elif following == b"\r\n":
            self.position += 2

    def decode(self, data: bytes, what: str) -> str:
        """`data`, which has just been consumed, as text."""
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            self.error(f"expected {what}, found {data[:20]!r}, which is not text", self.offset - len(data))

    def token(self) -> str:
        """The next token and the one space after it, which must be there."""
        self.skip_space()
        data = self.until(_SPACE, "a token", MAX_TOKEN)
        if not data:
            self.error("expected a token, found the end of the file")
        text = self.decode(data, "a token")
        if self.at_end():
            self.error(f"expected a space after the token {text[:60]}, found the end of the file")
        self.position += 1
        return text

    def peek_token(self) -> str:
        """The whole next token without consuming it; empty at the end of the file."""
        self.skip_space()
        count = BLOCK
        while True:
            have = self.ahead(count)
            match = _SPACE.search(self.buffer, self.position, self.position + have)
            if match or have < count or count > MAX_TOKEN:
                end = match.start() if match else self.position + have
                return self.buffer[self.position : end].decode("utf-8", "replace")
            count *= 2

    def expect(self, *tokens: str) -> str:
        """Consume the next token, which must be one of `tokens`, and return it."""
        for token in tokens:
            if self.literal(_spaced(token)):
                return token
        self.skip_space()
        offset = self.offset
        token = self.token()
        if token not in tokens:
            self.error(f"expected {' or '.join(tokens)}, found {token[:60]}", offset)
        return token


@lru_cache(maxsize=4096)
def _spaced(token: str) -> bytes:
    return f"{token} ".encode()


def _place(stream: BinaryIO) -> tuple[int, int | None]:
    """Position and size of a regular file or of bytes in memory; (0, None) when there is no size."""
    if isinstance(stream, io.BytesIO):
        return stream.tell(), len(stream.getbuffer())
    if isinstance(getattr(stream, "raw", None), io.FileIO):
        status = os.fstat(stream.fileno())
        if stat.S_ISREG(status.st_mode):
            return stream.tell(), status.st_size
    return 0, None

"""What a Kaldi file name opens: file, `file:offset`, `-`, `file.gz`, `command |`, `| command` as streams."""

from __future__ import annotations

import gzip
import io
import os
import re
import shlex
import signal
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

from nnet.files import atomic_write

if TYPE_CHECKING:
    import subprocess  # imported where a command runs

_PLAIN_WORDS = re.compile(r"[\w@%+=:,./ -]+")  # no character that a shell would interpret
_UNZIP = (
    ["gunzip", "-c"],
    ["gzip", "-dc"],
    ["gzip", "-cd"],
    ["gzip", "-d", "-c"],
    ["gzip", "-c", "-d"],
    ["zcat"],
)
_BROKEN_PIPE = (-signal.SIGPIPE, 128 + signal.SIGPIPE)


def is_pipe(name: str) -> bool:
    """Whether reading `name` would run a command."""
    return name.rstrip().endswith("|")


def split_offset(name: str) -> tuple[str, int]:
    """`feats.ark:123` -> ("feats.ark", 123); without an offset the position is 0."""
    match = re.fullmatch(r"(.+):(\d+)", name, re.DOTALL)
    return (match.group(1), int(match.group(2))) if match else (name, 0)


def has_offset(name: str) -> bool:
    """Whether `name` is `file:offset`, a place inside a file, and not a file whose own name looks so."""
    return not is_pipe(name) and split_offset(name)[0] != name and not os.path.exists(name)


def check_name(name: str, reading: bool) -> None:
    """Raise ValueError if `name` is no file name but a table specifier, or a pipe of the other direction."""
    what = "read" if reading else "written"
    wrong_end = name.startswith("|") if reading else name.endswith("|")
    if wrong_end:
        way = "ends with | ('command |')" if reading else "starts with | ('| command')"
        raise ValueError(
            f"{name!r} cannot be {what}: a command to be {what} {'from' if reading else 'to'} {way}"
        )
    if not is_pipe(name) and not name.startswith("|"):
        if name != name.strip():
            raise ValueError(f"{name!r} cannot be {what}: the file name starts or ends with a space")
        if re.match(r"(?:[a-z]+,)*(?:ark|scp)(?:,[a-z]+)*:", name):
            raise ValueError(f"{name!r} is a table (ark:, scp:) where the name of one file is expected")
        if not reading and split_offset(name)[1]:
            raise ValueError(f"{name!r} cannot be written: writing at an offset is not possible")


@contextmanager
def open_bytes(name: str) -> Iterator[BinaryIO]:
    """The bytes that the Kaldi rxfilename `name` stands for, as a buffered stream with `peek`.

    A command's exit status counts, also inside a pipeline: a failure raises OSError when the block ends
    (a command that we stopped by closing early may die of the broken pipe).
    """
    check_name(name, reading=True)
    if name in ("", "-"):
        yield cast(BinaryIO, sys.stdin.buffer)
    elif is_pipe(name):
        with _open_command(name) as stream:
            yield stream
    else:
        with _open_file(name) as stream:
            yield stream


def _open_file(name: str) -> BinaryIO:
    path, offset = split_offset(name)
    if offset and path.endswith(".gz"):
        raise ValueError(f"{name}: a position inside a compressed file cannot be reached; unpack it first")
    if offset == 0 and not os.path.exists(path) and os.path.exists(name):
        path = name
    stream = open(path, "rb")  # noqa: SIM115 - the caller closes it
    if path.endswith(".gz") and stream.peek(2)[:2] == b"\x1f\x8b":
        stream = cast(Any, io.BufferedReader(_Gzip(stream)))
    try:
        if offset:
            stream.seek(offset)
    except BaseException:
        stream.close()
        raise
    return cast(BinaryIO, stream)


class _Gzip(io.RawIOBase):
    """Unpacked gzip data; owns the file below it, and its damage is an OSError with the file's name."""

    def __init__(self, below: Any):
        self.below, self.unpacked = below, gzip.GzipFile(fileobj=below, mode="rb")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self.unpacked.read1(len(buffer))
        except (EOFError, OSError, zlib.error) as error:
            raise OSError(f"{self.below.name}: damaged gzip data: {error}") from None
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        super().close()
        self.unpacked.close()
        self.below.close()


@contextmanager
def _open_command(name: str) -> Iterator[BinaryIO]:
    command = name.rstrip()[:-1].strip()
    plain = _plain_reader(command)
    if plain is not None:
        with plain as stream:
            yield stream
        return
    process = _start(command, reading=True)
    stream = cast(BinaryIO, process.stdout)
    try:
        yield stream
        unread = bool(cast(io.BufferedReader, stream).peek(1))
    except Exception as error:
        status = _end(process)
        if status != 0 and status not in _BROKEN_PIPE:
            raise OSError(f"'{command} |' ended with status {status}; reading it: {error}") from error
        raise
    except BaseException:  # KeyboardInterrupt, or a reader who wants no more
        _end(process)
        raise
    status = _end(process)
    if status != 0 and not (unread and status in _BROKEN_PIPE):
        raise OSError(f"'{command} |' ended with status {status}")


def _plain_reader(command: str) -> BinaryIO | None:
    """The stream of `gunzip -c F`, `gzip -dc F`, `zcat F` or `cat F`, which need no shell; else None."""
    words = _plain_words(command)
    if words is None:
        return None
    stream = open(words[-1], "rb")  # noqa: SIM115 - the caller closes it
    return cast(BinaryIO, stream) if words[0] == "cat" else cast(BinaryIO, io.BufferedReader(_Gzip(stream)))


def _plain_words(command: str) -> list[str] | None:
    if _PLAIN_WORDS.fullmatch(command):
        words = shlex.split(command)
        if words[:-1] in [*_UNZIP, ["cat"]] and not words[-1].startswith("-"):
            return words
    return None


def is_plain_reader(name: str) -> bool:
    """Whether `name` is a command that only reads a file and needs no shell (`gunzip -c F |`, `cat F |`)."""
    return is_pipe(name) and _plain_words(name.rstrip()[:-1].strip()) is not None


def _start(command: str, reading: bool) -> subprocess.Popen[bytes]:
    """The command in a shell, with a pipe to read what it prints or to write what it reads."""
    import shutil  # noqa: PLC0415 - most programs run no command
    import subprocess  # noqa: PLC0415

    bash = shutil.which("bash")
    shell = [bash, "-c", f"set -o pipefail; {command}"] if bash else ["/bin/sh", "-c", command]
    pipe = subprocess.PIPE
    return subprocess.Popen(shell, stdin=None if reading else pipe, stdout=pipe if reading else None)


def _end(process: subprocess.Popen[bytes]) -> int:
    for stream in (process.stdout, process.stdin):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()
    return process.wait()


@contextmanager
def create_bytes(name: str) -> Iterator[BinaryIO]:
    """A stream for the new content of the wxfilename `name`: a file (atomic), `-`, `file.gz`, `| command`."""
    check_name(name, reading=False)
    if name in ("", "-"):
        yield cast(BinaryIO, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    elif name.startswith("|"):
        with _create_command(name[1:].strip()) as stream:
            yield stream
    else:
        with atomic_write(name) as file:
            zipped: Any = (
                gzip.GzipFile("", "wb", 6, file, mtime=0) if name.endswith(".gz") else nullcontext(file)
            )
            with zipped as stream:
                yield stream


@contextmanager
def _create_command(command: str) -> Iterator[BinaryIO]:
    process = _start(command, reading=False)
    stream = cast(IO[bytes], process.stdin)
    try:
        yield cast(BinaryIO, stream)
        stream.flush()
    except BrokenPipeError:
        status = _end(process)
        if status != 0:
            raise OSError(f"'| {command}' ended with status {status}") from None
        raise
    except BaseException:
        _end(process)
        raise
    status = _end(process)
    if status != 0:
        raise OSError(f"'| {command}' ended with status {status}")

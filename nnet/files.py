"""Files appear whole or not at all: writing goes to a temporary name in the same directory, then a rename."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

_BLOCK = 1 << 20  # bytes that are copied at a time
_DEVICES = ("/dev/", "/proc/")  # /dev/stdout may lead to a regular file, which must not be replaced


@contextmanager
def atomic_write(path: str | os.PathLike[str], text: bool = False) -> Iterator[IO[Any]]:
    """A stream for the new content of `path`, which changes only when the block ends without an exception.

    Binary unless `text` (UTF-8, newlines kept). The content is flushed and synced to the disk before the
    rename; on any exception, KeyboardInterrupt too, the temporary file is removed and `path` stays as it was.
    A symbolic link to a file is replaced itself: what it leads to may be somebody else's. What is not a
    regular file (a device, a named pipe) is written directly. Raises OSError naming `path`.
    """
    target = os.fspath(path)
    if target.startswith(_DEVICES) or (os.path.exists(target) and not os.path.isfile(target)):
        with _open(target, text, target) as stream:
            yield stream
        return
    temporary = _temporary_name(target)
    try:
        with _open(temporary, text, target, exclusive=True) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        _keep_mode(target, temporary)
        os.replace(temporary, target)
        _sync_directory(os.path.dirname(target))
    except BaseException as error:
        _remove(temporary)
        if isinstance(error, OSError) and error.filename == temporary:
            error.filename = target
        raise


def atomic_copy(source: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Make `path` a file with the content of `source`, with the permissions of a new file. Raises OSError."""
    with open(source, "rb") as content, atomic_write(path) as stream:
        while block := content.read(_BLOCK):
            stream.write(block)


def drop_link(path: str | os.PathLike[str]) -> None:
    """Remove `path` if it is a symbolic link to a file, or to nothing: what is then written directly there
    does not reach what it led to.
    """
    if os.path.islink(path) and (os.path.isfile(path) or not os.path.exists(path)):
        os.unlink(path)


class _Named(io.FileIO):
    """A file whose write errors (a full disk) name the file that was meant, not the temporary one."""

    shown = ""

    def write(self, data: Any) -> int:
        """Write and return the number of bytes. Raises OSError with a file name."""
        try:
            return super().write(data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.shown) from None


def _open(path: str, text: bool, shown: str | bytes, exclusive: bool = False) -> IO[Any]:
    raw = _Named(path, "x" if exclusive else "w")
    raw.shown = os.fsdecode(shown)
    stream = io.BufferedWriter(raw)
    return io.TextIOWrapper(stream, encoding="utf-8", newline="\n") if text else stream


def _temporary_name(target: str) -> str:
    folder, name = os.path.split(target)
    return os.path.join(folder, f".{name[:200]}.{os.getpid()}-{os.urandom(4).hex()}.tmp")


def _keep_mode(target: str, temporary: str) -> None:
    """A file that is replaced keeps its permissions; a link has none of its own."""
    if os.path.exists(target) and not os.path.islink(target):
        os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))


def _sync_directory(folder: str) -> None:
    """Make the rename itself durable; a file system that cannot sync a directory is left alone."""
    try:
        handle = os.open(folder or os.curdir, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def _remove(path: str) -> None:
    with suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(path)

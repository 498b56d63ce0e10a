"""Files appear whole or not at all: writing goes to a temporary name in the same directory, then a rename."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

_DEVICES = ("/dev/", "/proc/")  # /dev/stdout may lead to a regular file, which must not be replaced


@contextmanager
def atomic_write(path: str | os.PathLike[str], text: bool = False) -> Iterator[IO[Any]]:
    """A stream for the new content of `path`, which changes only when the block ends without an exception.

    Binary unless `text` (UTF-8, newlines kept). The content is flushed and synced to the disk before the
    rename; on any exception, KeyboardInterrupt too, the temporary file is removed and `path` stays as it was.
    What is not a regular file (a device, a named pipe) is written directly. Raises OSError naming `path`.
    """
    target = os.path.realpath(path)
    if os.fspath(path).startswith(_DEVICES) or (os.path.exists(target) and not os.path.isfile(target)):
        with _open(target, text) as stream:
            yield stream
        return
    temporary = _temporary_name(target)
    try:
        with _open(temporary, text, exclusive=True) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        _keep_mode(target, temporary)
        os.replace(temporary, target)
        _sync_directory(os.path.dirname(target))
    except BaseException as error:
        _remove(temporary)
        if isinstance(error, OSError) and error.filename == temporary:
            error.filename = os.fspath(path)
        raise


def _open(path: str, text: bool, exclusive: bool = False) -> IO[Any]:
    mode = "x" if exclusive else "w"
    return open(path, mode, encoding="utf-8", newline="\n") if text else open(path, mode + "b")


def _temporary_name(target: str) -> str:
    folder, name = os.path.split(target)
    return os.path.join(folder, f".{name[:200]}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def _keep_mode(target: str, temporary: str) -> None:
    """A file that is replaced keeps its permissions."""
    if os.path.exists(target):
        os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))


def _sync_directory(folder: str) -> None:
    """Make the rename itself durable; a file system that cannot sync a directory is left alone."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)

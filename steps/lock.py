"""One run per directory: a lock file that names the process that holds it, and knows when that process
is gone.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nnet.files import atomic_write

NAME = ".lock"
GUARD = ".lock.guard"
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the lock of `directory` during the block.

    Raises ValueError if a living process holds it, or one on another machine, which cannot be looked at. The
    lock of a process of this machine that is gone (killed, or from before a restart) is taken over. Raises
    OSError naming the file if it cannot be written.
    """
    path = directory / NAME
    mine = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "started": _started(os.getpid())})
    with _guarded(directory):
        _take(path, mine)
    try:
        yield
    finally:
        with _guarded(directory):
            _release(path, mine)


@contextmanager
def _guarded(directory: Path) -> Iterator[None]:
    """Only one process of this machine looks at and replaces the lock at a time.

    The guard's file is removed under its own lock, so whoever got the lock of a file that is no longer there
    opens it anew. A file system without locks is used without a guard.
    """
    path = directory / GUARD
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                os.close(handle)
                raise OSError(error.errno, error.strerror, str(path)) from error
        if _is_open_as(path, handle):
            break
        os.close(handle)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _is_open_as(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _take(path: Path, mine: str) -> None:
    own = path.with_name(f"{NAME}.{os.getpid()}")
    try:
        with atomic_write(own, text=True) as stream:
            stream.write(mine)
        for _ in range(3):
            try:
                os.link(own, path)  # fails if the lock exists; also safe on shared disks
            except FileExistsError:
                _remove_if_stale(path)
            else:
                return
    finally:
        own.unlink(missing_ok=True)
    raise ValueError(f"{path.parent}: cannot take the lock {path}; another run took it at this moment")


def _release(path: Path, mine: str) -> None:
    """Remove the lock, unless somebody else's is there by now."""
    try:
        if path.read_text(encoding="utf-8") == mine:
            path.unlink()
    except FileNotFoundError:
        return


def _remove_if_stale(path: Path) -> None:
    """Remove the lock of a dead process; ValueError if its holder is, or may be, alive."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    holder = _parse(text)
    host, pid = holder.get("host"), holder.get("pid")
    if host == socket.gethostname() and isinstance(pid, int):
        if not _same_process(pid, holder.get("started")):
            path.unlink(missing_ok=True)
            return
        raise ValueError(f"{path.parent} is in use by process {pid} on this machine; wait for it or stop it")
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(path.stat().st_mtime))
    raise ValueError(
        f"{path.parent} is in use by process {pid} on {host} since {since}; "
        f"if no such run exists any more, remove {path}"
    )


def _parse(text: str) -> dict[str, Any]:
    try:
        holder = json.loads(text)
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _same_process(pid: int, started: str | None) -> bool:
    """Whether `pid` lives and is the process that started then, not a later one with its number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return started is None or _started(pid) in (None, started)


def _started(pid: int) -> str | None:
    """When a process started, as Linux tells it (boot id and clock ticks), else None."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    state = stat.rpartition(")")[2].split()
    return None if state[0] == "Z" and pid != os.getpid() else f"{boot}:{state[19]}"

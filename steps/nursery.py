"""A process that starts jobs for the driver: forks instead of starting Python anew, and takes all jobs with
it when it ends.

It reads one JSON object per line from standard input, {"id", "argv", "log", "nice", "env"}, starts the job
and answers {"id", "status", "cpu"} (seconds of processor time) when it has ended. When its input ends (the
driver is gone, however it died) it kills every job that still runs. A job `python -m MODULE ...` of this code
base is a fork that calls MODULE.main, with numpy and the libraries already imported; any other command is
executed.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import selectors
import signal
import sys
import time
import traceback
from contextlib import suppress
from typing import Any

from nnet.allocation import keep_freed_memory
from nnet.kernels.cblas import preload

GRACE = 3.0  # seconds between asking a job to end and killing it
PR_SET_PDEATHSIG = 1
TERMINATED = 128 + signal.SIGTERM


def main(argv: list[str] | None = None) -> int:
    """Import the modules named in `argv`, then serve until standard input ends."""
    for module in sys.argv[1:] if argv is None else argv:
        try:
            importlib.import_module(module)
        except ImportError:
            continue  # the job that needs it reports it in its own log
    keep_freed_memory()
    preload()
    gc.collect()
    gc.freeze()  # a collection in a job must not touch, and so copy, the pages it shares with us
    Nursery(sys.stdin.fileno(), os.dup(sys.stdout.fileno())).serve()
    return 0


class Nursery:
    """The jobs that run now, and the loop that starts and reaps them."""

    def __init__(self, requests: int, answers: int):
        self.requests, self.answers = requests, answers
        self.jobs: dict[int, int] = {}  # pid -> id
        self.libc = _libc()
        self.pid = os.getpid()

    def serve(self) -> None:
        """Start and reap until the requests end, then end all jobs."""
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        os.set_blocking(wake_read, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.DefaultSelector() as selector:
            selector.register(self.requests, selectors.EVENT_READ)
            selector.register(wake_read, selectors.EVENT_READ)
            rest, open_ = b"", True
            while open_:
                for key, _ in selector.select():
                    data = os.read(key.fd, 65536)
                    if key.fd == self.requests:
                        *lines, rest = (rest + data).split(b"\n")
                        open_ = bool(data)
                        self._handle(lines)
                self._reap()
        self._end_all()

    def _handle(self, lines: list[bytes]) -> None:
        for line in lines:
            self._start(json.loads(line))

    def _start(self, request: dict[str, Any]) -> None:
        pid = os.fork()
        if pid == 0:
            self._become(request)
        self.jobs[pid] = request["id"]

    def _become(self, request: dict[str, Any]) -> None:
        """Turn this forked process into the job; never returns."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            if self.libc is not None:
                self.libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == self.pid:
                _redirect(request["log"])
                os.nice(request["nice"])
                os.environ.update(request["env"])
                status = run_command(request["argv"])
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            try:
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(status)

    def _reap(self) -> None:
        while self.jobs:
            pid, state, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            job = self.jobs.pop(pid, None)
            if job is not None:
                seconds = round(usage.ru_utime + usage.ru_stime, 2)
                self._answer({"id": job, "status": os.waitstatus_to_exitcode(state), "cpu": seconds})

    def _answer(self, message: dict[str, Any]) -> None:
        with suppress(BrokenPipeError):  # the driver is gone; the end of our input follows
            os.write(self.answers, json.dumps(message).encode() + b"\n")

    def _end_all(self) -> None:
        for pid in self.jobs:
            _signal_group(pid, signal.SIGTERM)
        until = time.monotonic() + GRACE
        while self.jobs and time.monotonic() < until:
            time.sleep(0.01)
            self._reap()
        for pid in self.jobs:
            _signal_group(pid, signal.SIGKILL)


def run_command(argv: list[str]) -> int:
    """Run `argv` in this process and return its exit status (or replace the process by it)."""
    if argv[:2] == [sys.executable, "-m"] and argv[2].partition(".")[0] in ("nnet", "steps", "xconfig"):
        signal.signal(
            signal.SIGTERM, lambda *_: sys.exit(TERMINATED)
        )  # so that half-written files are removed
        sys.argv = [argv[2], *argv[3:]]
        return int(importlib.import_module(argv[2]).main(argv[3:]) or 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        print(f"cannot start {argv[0]}: {error.strerror}", file=sys.stderr)
        return 127


def _redirect(log: str) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for source, target in ((null, 0), (out, 1), (out, 2)):
        os.dup2(source, target)
    os.closerange(3, 256)


def _signal_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _libc() -> Any:
    """The C library where it has prctl (Linux), else None."""
    try:
        libc = ctypes.CDLL(None)
        return libc if hasattr(libc, "prctl") else None
    except OSError:
        return None


if __name__ == "__main__":
    sys.exit(main())

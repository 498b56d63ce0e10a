"""The driver's side of the nursery: runs commands through it, and starts another one if it dies."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

LOST = 255  # the status of jobs whose nursery died


class Ended(NamedTuple):
    """How a command ended: its exit status (negative: the signal) and its seconds of processor time."""

    status: int = LOST
    cpu: float = 0.0


class NurseryClient:
    """Runs commands in a nursery process, which is started with the first command.

    `env` is added to the environment of the nursery and so of all jobs; `modules` are imported there once.
    """

    def __init__(self, env: Mapping[str, str], modules: Sequence[str] = ()):
        self.env, self.modules = dict(env), list(modules)
        self._lock = threading.Lock()
        self._ids = itertools.count()
        self._waiting: dict[int, Reply] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def start(self) -> None:
        """Start the nursery now, so that its imports are done when the first job comes."""
        with self._lock:
            if not self._closed:
                self._running()

    def run(self, argv: Sequence[str], log: Path, nice: int, env: Mapping[str, str]) -> Ended:
        """Run a command, its output appended to `log`, and tell how it ended."""
        with self._lock:
            if self._closed:
                return Ended()
            number = next(self._ids)
            process = self._running()
            reply = self._waiting[number] = Reply(process)
            request = {"id": number, "argv": list(argv), "log": str(log), "nice": nice, "env": dict(env)}
            try:
                self._send(process, request)
            except BrokenPipeError:
                self._waiting.pop(number, None)
                return Ended()
        reply.ended.wait()
        return reply.how

    def close(self) -> None:
        """End the nursery and with it all jobs; returns when they are gone."""
        with self._lock:
            self._closed = True
            process = self._process
        if process is None:
            return
        with self._lock:
            _close(process)
        process.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "steps.nursery", *self.modules],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **self.env},
                start_new_session=True,
            )
            threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()
        return self._process

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout as answers:
            for line in answers:
                message = json.loads(line)
                self._settle(message["id"], Ended(message["status"], message["cpu"]))
        process.wait()
        with self._lock:
            _close(process)
            lost = [number for number, reply in self._waiting.items() if reply.process is process]
        for number in lost:
            self._settle(number, Ended())

    def _settle(self, number: int, how: Ended) -> None:
        with self._lock:
            reply = self._waiting.pop(number, None)
        if reply is not None:
            reply.how = how
            reply.ended.set()

    def _send(self, process: subprocess.Popen[bytes], message: dict[str, Any]) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps(message).encode() + b"\n")
        process.stdin.flush()


def _close(process: subprocess.Popen[bytes]) -> None:
    """Close the pipe to the nursery, which makes it end."""
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it is gone already
        process.stdin.close()


class Reply:
    """What becomes of one command."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.ended = threading.Event()
        self.how = Ended()

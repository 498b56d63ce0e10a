"""How two programs are compared: in turns on the same machine, wall and processor time and memory, medians
of ratios.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class Cost(NamedTuple):
    """Of one run: wall seconds, processor seconds of all its processes, peak memory of the largest in MB."""

    wall: float
    cpu: float
    memory: float

    def __sub__(self, other: Cost) -> Cost:  # type: ignore[override]
        """What a longer run took more; the memory is the longer one's."""
        return Cost(self.wall - other.wall, self.cpu - other.cpu, self.memory)

    def over(self, count: float) -> Cost:
        """The times of one of `count` equal parts."""
        return Cost(self.wall / count, self.cpu / count, self.memory)


class Comparison(NamedTuple):
    """Medians of both sides, and the medians of ours / peer pair by pair."""

    ours: Cost
    peer: Cost
    wall_ratio: float
    cpu_ratio: float


def run(
    command: Sequence[object], env: Mapping[str, str] | None = None, folder: str | os.PathLike[str] = "."
) -> Cost:
    """Run a command quietly in `folder`, `env` added to its environment.

    Raises RuntimeError with its last lines if it fails.
    """
    with tempfile.TemporaryFile() as log:
        start = time.monotonic()
        child = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **(env or {})},
            cwd=folder,
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            log.seek(0)
            raise RuntimeError(f"{command[0]} failed: {log.read().decode(errors='replace')[-400:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def compare(ours: Callable[[], Cost], peer: Callable[[], Cost], repeats: int) -> Comparison:
    """Both in turns, `repeats` times; who goes first alternates."""
    pairs: list[tuple[Cost, Cost]] = []
    for number in range(repeats):
        if number % 2:
            second = peer()
            pairs.append((ours(), second))
        else:
            pairs.append((ours(), peer()))
    return Comparison(
        median([a for a, _ in pairs]),
        median([b for _, b in pairs]),
        statistics.median(a.wall / b.wall for a, b in pairs),
        statistics.median(a.cpu / b.cpu for a, b in pairs),
    )


def median(costs: Sequence[Cost]) -> Cost:
    """The median of each time, the largest memory."""
    return Cost(
        statistics.median(c.wall for c in costs),
        statistics.median(c.cpu for c in costs),
        max(c.memory for c in costs),
    )


def table(*columns: str) -> None:
    """The head of a table in markdown."""
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))


def row(*cells: object) -> None:
    """A row: numbers with three significant digits, other things as they are, None as a dash."""
    words = [f"{c:.3g}" if isinstance(c, float) else "-" if c is None else str(c) for c in cells]
    print("| " + " | ".join(words) + " |", flush=True)

"""How two programs are compared: in turns on the same machine, wall and processor time and memory, medians
of ratios.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.options import existing
from egs.arguments import Parser, count

COLUMNS = (
    "what",
    "peer",
    "ours, ms",
    "peer, ms",
    "ours / peer",
    "ours, MB",
    "peer, MB",
    "floor, ms",
    "ours / floor",
)


class Cost(NamedTuple):
    """Of one run: wall seconds, processor seconds of all its processes, peak memory of the largest in MB.

    The memory is NaN where it is no larger than that of this process, from which the other one was forked.
    """

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

    Raises ValueError with the last it said if it fails.
    """
    return run_beside([command], env, folder)


def run_beside(
    commands: Sequence[Sequence[object]],
    env: Mapping[str, str] | None = None,
    folder: str | os.PathLike[str] = ".",
) -> Cost:
    """Run commands at the same time until all have ended; processor times added, the largest memory."""
    with tempfile.TemporaryFile() as log:
        start = time.monotonic()
        children = [
            subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(env or {})},
                cwd=folder,
            )
            for command in commands
        ]
        costs = [_wait(child) for child in children]
        wall = time.monotonic() - start
        if any(child.returncode for child in children):
            log.seek(0)
            said = " ".join(log.read().decode(errors="replace")[-400:].split())
            raise ValueError(f"{commands[0][0]} failed: {said}")
    memory = max(memory for _, memory in costs)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Cost(wall, sum(cpu for cpu, _ in costs), memory if memory > own else math.nan)


def _wait(child: subprocess.Popen[bytes]) -> tuple[float, float]:
    """Processor seconds, and peak memory in MB, of a program that ends."""
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


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


def parser(doc: str | None, repeats: int = 3) -> Parser:
    """The options that all comparisons have."""
    made = Parser(doc or "")
    made.add_argument("--repeats", type=count, default=repeats, help=f"pairs of runs ({repeats})")
    made.add_argument("--threads", type=count, default=1, help="BLAS threads of every program (1)")
    found = os.environ.get("KALDI_BIN")
    made.add_argument(
        "--kaldi", type=existing, default=Path(found) if found else None, help="Kaldi's nnet3bin (KALDI_BIN)"
    )
    return made


def set_threads(threads: int) -> None:
    """Every program started from here gets so many BLAS threads."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)


def begin(options: argparse.Namespace) -> None:
    """Set the threads, and tell whose BLAS computes with which kernels: a fair peer knows this processor.

    An OpenBLAS that does not know it falls back to kernels without AVX; OPENBLAS_CORETYPE names others.
    Raises ValueError if --kaldi holds no program of Kaldi's.
    """
    set_threads(options.threads)
    if options.kaldi and not any(options.kaldi.glob("nnet3-*")):
        raise ValueError(
            f"{options.kaldi} holds no program of Kaldi's nnet3 (--kaldi, KALDI_BIN): nothing to compare with"
        )
    kaldi = kaldis(options.kaldi, "nnet3-info", os.devnull)
    if kaldi:
        numpy = [sys.executable, "-c", "import numpy"]
        print(f"OpenBLAS kernels: numpy's {kernels(numpy)}, Kaldi's {kernels(kaldi)}\n")


def kernels(command: Sequence[object]) -> str:
    """The kernels that OpenBLAS chooses in a program, `unknown` if it does not say so."""
    env = {**os.environ, "OPENBLAS_VERBOSE": "2"}
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, env=env, check=False)
    found = re.search(r"^Core: (\w+)", done.stderr + done.stdout, re.MULTILINE)
    return found[1] if found else "unknown"


def ours(program: str, *arguments: object) -> list[object]:
    """The command line of a program of ours."""
    return [sys.executable, "-m", f"nnet.programs.{program.replace('-', '_')}", *arguments]


def kaldis(folder: Path | None, program: str, *arguments: object) -> list[object] | None:
    """The command line of Kaldi's program; None where there is none."""
    return [folder / program, *arguments] if folder and (folder / program).exists() else None


def megabytes(cost: Cost) -> int | None:
    """The peak memory where it is known."""
    return None if math.isnan(cost.memory) else round(cost.memory)


def report(what: str, peer: str, c: Comparison, floor: float | None = None) -> None:
    """A row under COLUMNS; `floor` in seconds."""
    row(
        what,
        peer,
        1000 * c.ours.wall,
        1000 * c.peer.wall,
        c.wall_ratio,
        megabytes(c.ours),
        megabytes(c.peer),
        1000 * floor if floor else None,
        c.ours.wall / floor if floor else None,
    )


def report_alone(what: str, costs: Sequence[Cost], floor: float | None = None) -> None:
    """The same where there is no peer."""
    c = median(costs)
    more = (1000 * floor, c.wall / floor) if floor else (None, None)
    row(what, "none", 1000 * c.wall, None, None, megabytes(c), None, *more)


def against(
    what: str,
    mine: Callable[[], Cost],
    peers: Mapping[str, Callable[[], Cost]],
    repeats: int,
    floor: float | None = None,
) -> None:
    """A row for every peer, or one for ours alone where there is none."""
    for name, peer in peers.items():
        report(what, name, compare(mine, peer, repeats), floor)
    if not peers:
        report_alone(what, [mine() for _ in range(repeats)], floor)


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

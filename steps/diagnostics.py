"""Objectives of the models on held-out and training examples, computed in the background at low priority."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from steps.executor import JobFailed
from steps.method import Method
from steps.run import Run, python_job

MOST = 8  # models that one process scores: it reads the examples once
SHARES = 4  # processes for what is left in the end
SETS = ("valid", "train")
OBJECTIVES = ("log-likelihood", "objective", "log-probability")
_SCORE = re.compile(
    r"^LOG .* Overall (?P<key>[a-z-]+) for '(?P<output>[^']+)' is (?P<value>\S+) (?:\+ .*)?per frame, over "
)


@dataclass
class Diagnostics:
    """Scores models one process at a time; models that come meanwhile are scored together by the next one.

    What is left when training is over is shared among processes that are in the background no more.
    """

    run: Run
    method: Method
    _waiting: list[int | str] = field(default_factory=list)
    _busy: list[int | str] = field(default_factory=list)
    _running: int = 0
    _releasable: set[int] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _idle: threading.Event = field(default_factory=threading.Event)
    _failure: BaseException | None = None

    def __post_init__(self) -> None:
        self._idle.set()

    def add(self, name: int | str) -> None:
        """Score model `name` when there is time, unless that was done."""
        if all(is_complete(self.log(which, name)) for which in SETS):
            return
        with self._lock:
            self._waiting.append(name)
            if not self._running:
                self._next()

    def add_missing(self, last: int) -> None:
        """Score all models up to `last` that exist and were not scored."""
        for number in range(last + 1):
            if self.run.exp.model(number).exists():
                self.add(number)

    def log(self, which: str, name: int | str) -> Path:
        """Where the score on the `valid` or `train` examples is logged."""
        return self.run.exp.log(f"compute_prob_{which}.{name}")

    def latest(self) -> tuple[int, dict[str, float]] | None:
        """The newest model that is scored on the held-out examples, and its scores; None without any."""
        numbers = (int(p.suffixes[0][1:]) for p in self.run.exp.dir.glob("log/compute_prob_valid.[0-9]*.log"))
        for number in sorted(numbers, reverse=True):
            if scores := read_scores(self.log("valid", number)):
                return number, scores
        return None

    def release(self, numbers: Iterable[int]) -> None:
        """Remove the models `numbers` as soon as they are scored."""
        with self._lock:
            self._releasable.update(numbers)
            self._remove_released()

    def wait(self) -> None:
        """Wait until everything is scored. Raises JobFailed if a scoring job failed."""
        with self._lock:
            shares = [self._waiting[share::SHARES] for share in range(SHARES)]
            for names in filter(None, shares):  # what waits for its process must not be removed as scored
                self._waiting = [name for name in self._waiting if name not in names]
                self._start(names, background=False)
        self._idle.wait()
        if self._failure is not None:
            raise self._failure

    def _next(self) -> None:
        """Start a process for what waits (the lock is held)."""
        names, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        if names:
            self._start(names, background=True)
        else:
            self._remove_released()
            self._idle.set()

    def _start(self, names: list[int | str], background: bool) -> None:
        """Start a process that scores `names` (the lock is held)."""
        self._busy += names
        self._running += 1
        self._remove_released()
        self._idle.clear()
        options = ["--compute-per-dim-accuracy=true"] if self.run.options.compute_per_dim_accuracy else []
        sets = [f"{which}={self.method.subset(f'{which}_diagnostic')}" for which in SETS]
        models = [f"{name}={self.run.exp.model(name)}" for name in names]
        folder = str(self.run.exp.dir / "log")
        arguments = [*options, self.method.scoring.word, folder, *sets, "--", *models]
        title = f"diagnose.{names[0]}"
        job = python_job(title, "steps.diagnose", arguments, self.run.exp.log(title), background=background)
        self.run.executor.submit(job).add_done_callback(partial(self._done, names))

    def _done(self, names: list[int | str], future: Future[float]) -> None:
        with self._lock:
            self._busy = [name for name in self._busy if name not in names]
            self._running -= 1
            failure = CancelledError() if future.cancelled() else future.exception()
            self._failure = failure or self._failure
            if isinstance(failure, JobFailed):
                self.run.say(f"warning: {failure}")
            elif failure is not None:  # the run is ending
                self._idle.set()
                return
            if not self._running:
                self._next()

    def _remove_released(self) -> None:
        for number in self._releasable - {*self._waiting, *self._busy}:  # type: ignore[arg-type]
            self.run.exp.model(number).unlink(missing_ok=True)
        self._releasable &= {n for n in (*self._waiting, *self._busy) if isinstance(n, int)}


def read_scores(log: Path, output: str = "output") -> dict[str, float]:
    """What a compute_prob log says of `output` per frame: log-likelihood, objective or log-probability (of
    `A + B = C`, with an L2 term, it is A, as in Kaldi), and accuracy.
    """
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    found = (_SCORE.search(line) for line in lines)
    return {m["key"]: float(m["value"]) for m in found if m is not None and m["output"] == output}


def objective_key(scores: Mapping[str, float]) -> str:
    """What the objective is called among `scores`."""
    return next((key for key in OBJECTIVES if key in scores), OBJECTIVES[0])


def is_complete(log: Path) -> bool:
    """Whether a compute_prob log holds a result."""
    return bool(read_scores(log))

"""The line that a person reads after each iteration, with an estimate of the time left."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

from steps.diagnostics import objective_key
from steps.schedule import Iteration, Schedule

WINDOW = 10  # iterations that the estimate looks back on


class Clock:
    """Estimates the seconds that the remaining iterations take from the last ones."""

    def __init__(self, schedule: Schedule):
        self.remaining = {i.number: i.num_jobs for i in schedule}
        self.recent: deque[tuple[int, float]] = deque(maxlen=WINDOW)

    def passed(self, iteration: Iteration, seconds: float) -> None:
        """Count an iteration that took `seconds`."""
        self.remaining = {n: jobs for n, jobs in self.remaining.items() if n > iteration.number}
        self.recent.append((iteration.num_jobs, seconds))

    def seconds_left(self) -> float:
        """Time left if an iteration's time grows with its jobs as far as it did lately, else stays."""
        if not self.recent:
            return float("nan")
        per_iteration = sum(s for _, s in self.recent) / len(self.recent)
        return per_iteration * len(self.remaining)


def progress_line(
    schedule: Schedule, record: dict[str, Any], valid: tuple[int, Mapping[str, float]] | None, clock: Clock
) -> str:
    """One line on a finished iteration; `valid` is (iteration, scores) of the newest diagnostics."""
    accepted = sum(j["accepted"] for j in record["jobs"])
    jobs = (
        f"{record['num_jobs']} jobs"
        if accepted == record["num_jobs"]
        else f"{accepted} of {record['num_jobs']} jobs"
    )
    parts = [
        f"iteration {record['iteration'] + 1}/{schedule.num_iters}",
        f"epoch {record['epoch']:.2f}/{schedule.num_epochs:g}",
        jobs,
        f"rate {record['learning_rate']:.4g}",
        f"objective {record['objective']:.4g}",
    ]
    if record["shrink"] != 1.0:
        parts.insert(-1, f"shrink {record['shrink']:.5g}")
    if valid is not None:
        number, scores = valid
        right = f", {scores['accuracy']:.1%} right" if "accuracy" in scores else ""
        parts.append(f"valid({number}) {scores.get(objective_key(scores), math.nan):.4g}{right}")
    parts.append(f"{record['seconds']:.1f} s")
    parts.append(f"{duration(clock.seconds_left())} left")
    return "  ".join(parts)


def duration(seconds: float) -> str:
    """`45 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    if math.isnan(seconds):
        return "unknown time"
    s = round(seconds)
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if s >= size:
            return f"{s // size} {unit} {s % size // part} {smaller}"
    return f"{s} s"

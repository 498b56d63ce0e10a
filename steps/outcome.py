"""What the jobs of an iteration came to: objectives from their logs, and which models are good enough to
average.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FAR_BEHIND = 1.0  # a model whose objective is so much below the best one's is left out
_OBJECTIVE = re.compile(
    r"^LOG .* Overall average objective function for '(?P<output>[^']+)' is (?P<value>\S.*) over "
    r"(?P<weight>\S+) frames"
)
_SECONDS = re.compile(r"^# Accounting: time=([0-9]+) ")


@dataclass(frozen=True)
class Outcome:
    """One job's result. `objective` is per frame, NaN if the job trained on nothing finite."""

    job: int
    objective: float
    frames: float
    seconds: float

    @property
    def usable(self) -> bool:
        return math.isfinite(self.objective)


def read_objective(log: Path) -> tuple[float, float] | None:
    """Objective per frame and frames that a training log ends with, or None if it ends without.

    Of `A + B = C` (with an auxiliary term) it is C, as in Kaldi. Of networks without an output called
    `output` (multitask training), where Kaldi knows no objective, it is the average over all outputs.
    """
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return None
    totals = {}
    for line in lines:
        if found := _OBJECTIVE.search(line):
            totals[found["output"]] = float(found["value"].split()[-1]), float(found["weight"])
    if "output" in totals or not totals:
        return totals.get("output")
    frames = math.fsum(weight for _, weight in totals.values())
    return math.fsum(value * weight for value, weight in totals.values()) / frames, frames


def read_seconds(log: Path) -> float | None:
    """Whole seconds that the job took, from the line that the executor or run.pl adds."""
    for line in reversed(log.read_text(encoding="utf-8", errors="replace").splitlines()):
        if found := _SECONDS.search(line):
            return float(found[1])
    return None


def accepted(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes whose objective is within 1.0 of the best; none if no objective is finite."""
    finite = [o for o in outcomes if o.usable]
    best = max((o.objective for o in finite), default=0.0)
    return [o for o in finite if best - o.objective <= FAR_BEHIND]


def best(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome with the best objective, the first of equals."""
    return max((o for o in outcomes if o.usable), key=lambda o: o.objective)

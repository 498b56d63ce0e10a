"""Running averages of an objective, and the log lines of them that scripts parse (Kaldi's
ObjectiveFunctionInfo).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Log = Callable[[str], None]


@dataclass
class ObjectiveProgress:
    """Sums of one output's objective: over the phase of `interval` minibatches, and over all."""

    name: str
    interval: int
    phase: int = 0
    phase_minibatches: int = 0
    phase_total: float = 0.0
    phase_weight: float = 0.0
    total: float = 0.0
    weight: float = 0.0
    phase_extra: float = 0.0
    extra: float = 0.0

    def add(self, total: float, weight: float, minibatch: int, log: Log, extra: float = 0.0) -> None:
        """Count one minibatch's sums; logs the finished phase when a new one begins.

        `extra`: a regularization term to be shown apart.
        """
        phase = minibatch // self.interval
        if phase != self.phase:
            self._log_phase(phase, log)
            self.phase, self.phase_minibatches, self.phase_total, self.phase_weight = phase, 0, 0.0, 0.0
            self.phase_extra = 0.0
        self.phase_minibatches += 1
        self.phase_total += total
        self.phase_weight += weight
        self.phase_extra += extra
        self.extra += extra
        self.total += total
        self.weight += weight

    def average(self) -> float:
        """The objective per unit of weight, over all minibatches."""
        return self.total / self.weight if self.weight else float("nan")

    def log_total(self, log: Log) -> bool:
        """Log the overall average; False if there was no weight."""
        average, weight = f"{self.average():.6g}", f"{self.weight:.6g}"
        shown = shown_average(self.total, self.extra, self.weight)
        log(f"Overall average objective function for '{self.name}' is {shown} over {weight} frames.")
        log(f"[this line is to be parsed by a script:] log-prob-per-frame={average}")
        return self.weight != 0.0

    def _log_phase(self, phase: int, log: Log) -> None:
        if not self.phase_minibatches or not self.phase_weight:
            return
        span = f"{self.phase * self.interval}-{phase * self.interval - 1}"
        average = shown_average(self.phase_total, self.phase_extra, self.phase_weight)
        if self.phase_minibatches == self.interval:
            which = f"for minibatches {span}"
        else:
            which = f"using {self.phase_minibatches} minibatches in minibatch range {span}"
        log(
            f"Average objective function for '{self.name}' {which} is {average} "
            f"over {self.phase_weight:.6g} frames."
        )


def shown_average(total: float, extra: float, weight: float) -> str:
    """`A`, or `A + B = C` if there is a regularization term."""
    if not weight:
        return "nan"
    if extra == 0.0:
        return f"{total / weight:.6g}"
    return f"{total / weight:.6g} + {extra / weight:.6g} = {(total + extra) / weight:.6g}"

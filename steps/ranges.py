"""Which numbers the options of the training scripts may be: one table, checked before anything is done."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from steps.options import as_dict


@dataclass(frozen=True)
class Range:
    """Finite numbers from `low` to `high`; with `open_low` or `open_high` without that end."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below and (isinstance(value, int) or math.isfinite(value))

    def __str__(self) -> str:
        ends = []
        if self.low != -math.inf:
            ends.append(f"{'above' if self.open_low else 'at least'} {self.low:.10g}")
        if self.high != math.inf:
            ends.append(f"{'below' if self.open_high else 'at most'} {self.high:.10g}")
        return " and ".join(ends) or "finite"


FINITE, POSITIVE = Range(), Range(0, open_low=True)
NOT_NEGATIVE, AT_LEAST_ONE = Range(0), Range(1)
FROM_MINUS_ONE = Range(-1)
_OPT = "trainer.optimization."

TRAINING: dict[str, Range] = {
    "egs.frames-per-eg": AT_LEAST_ONE,
    "trainer.srand": Range(0, 2**31 - 1),
    "trainer.num-epochs": POSITIVE,
    "trainer.shuffle-buffer-size": NOT_NEGATIVE,
    "trainer.max-param-change": NOT_NEGATIVE,
    "trainer.samples-per-iter": AT_LEAST_ONE,
    "trainer.lda.rand-prune": NOT_NEGATIVE,
    "trainer.lda.max-lda-jobs": AT_LEAST_ONE,
    "trainer.presoftmax-prior-scale-power": FINITE,
    "trainer.prior-subset-size": AT_LEAST_ONE,
    "trainer.num-jobs-compute-prior": AT_LEAST_ONE,
    "trainer.deriv-truncate-margin": NOT_NEGATIVE,
    _OPT + "proportional-shrink": NOT_NEGATIVE,
    _OPT + "initial-effective-lrate": POSITIVE,
    _OPT + "final-effective-lrate": POSITIVE,
    _OPT + "num-jobs-initial": AT_LEAST_ONE,
    _OPT + "num-jobs-final": AT_LEAST_ONE,
    _OPT + "num-jobs-step": AT_LEAST_ONE,
    _OPT + "max-models-combine": AT_LEAST_ONE,
    _OPT + "max-objective-evaluations": AT_LEAST_ONE,
    _OPT + "combine-sum-to-one-penalty": FINITE,
    _OPT + "momentum": Range(0, 1, open_high=True),
    _OPT + "backstitch-training-scale": NOT_NEGATIVE,
    _OPT + "backstitch-training-interval": AT_LEAST_ONE,
    _OPT + "shrink-value": Range(0, 1, open_low=True),
    _OPT + "shrink-saturation-threshold": FINITE,
    "cleanup.preserve-model-interval": AT_LEAST_ONE,
    "reporting.interval": NOT_NEGATIVE,
    "local.max-jobs": NOT_NEGATIVE,
    "local.threads-per-job": AT_LEAST_ONE,
    "retries": NOT_NEGATIVE,
    "nj": AT_LEAST_ONE,
}


def check_ranges(options: Any, ranges: Mapping[str, Range]) -> None:
    """Raise ValueError naming the first option, as `ranges` names them, whose value lies outside its range.

    Options that this dataclass does not have and values of None are passed over.
    """
    values = as_dict(options)
    for name, allowed in ranges.items():
        value = values.get(name)
        if value is not None and value not in allowed:
            raise ValueError(f"--{name}={value} must be {allowed}")


def check_training(options: Any) -> None:
    """Raise ValueError for a number out of its range, and for backstitch together with momentum."""
    check_ranges(options, TRAINING)
    if options.backstitch_scale > 0 and options.momentum > 0:
        raise ValueError(
            f"--{_OPT}backstitch-training-scale={options.backstitch_scale} cannot go with "
            f"--{_OPT}momentum={options.momentum}: give --{_OPT}momentum=0"
        )

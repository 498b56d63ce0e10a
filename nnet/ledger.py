"""What minibatches were worth, and whether their changes were good: told at once, or by a device later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import and_
from typing import Any

import numpy as np

from nnet.backend import Array, array_module, to_host
from nnet.objectives.frame import Value


@dataclass
class Entry:
    """One minibatch: objectives by the name in the log as (total, weight, extra); 1 for every good change."""

    minibatch: int
    values: dict[str, tuple[Any, Any, Any]] = field(default_factory=dict)
    good: list[Any] = field(default_factory=list)

    def count(self, values: Mapping[str, Value], suffix: str) -> None:
        """Note the objectives of one pass."""
        self.values |= {name + suffix: (v.total, v.weight, v.extra) for name, v in values.items()}


def soundness(values: Mapping[str, Value], like: Array) -> Array | None:
    """(1,) where `like` lies: 1 if all objectives are finite, else 0; None if that is known to be so.

    No value leaves the device for this.
    """
    xp = array_module(like)
    numbers = [x for v in values.values() for x in (v.total, v.weight)]
    there = [x for x in numbers if array_module(x) is not np]
    if not all(np.isfinite(x) for x in numbers if array_module(x) is np):
        return None
    if not there:
        return xp.ones(1, np.int32)
    return reduce(and_, [xp.isfinite(x) for x in there]).astype(np.int32).reshape(1)


def settle(entries: Sequence[Entry], counts: Array) -> tuple[list[Entry], np.ndarray]:
    """The same entries and `counts`, (n,) float64, on the host; from a device they come in one transfer."""
    flat = [x for e in entries for x in (*(n for v in e.values.values() for n in v), *e.good)]
    there = [x for x in flat if array_module(x) is not np]
    moved: Iterator[float] = iter(())
    if there:
        xp = array_module(there[0])
        numbers = xp.stack([x.astype(np.float64).reshape(()) for x in there])
        host = to_host(xp.concatenate([counts, numbers]))
        counts, moved = host[: len(counts)], iter(host[len(counts) :].tolist())
    told = iter([float(x) if array_module(x) is np else next(moved) for x in flat])
    return [
        Entry(
            e.minibatch,
            {name: (next(told), next(told), next(told)) for name in e.values},
            [next(told) for _ in e.good],
        )
        for e in entries
    ], to_host(counts)

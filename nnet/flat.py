"""All parameters of a model in one array, and their changes in another; components hold views of these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from nnet import tree
from nnet.backend import Array, array_module
from nnet.component import PARAM, STAT, Component, names
from nnet.kernels.update import CHUNK, Decision, Limits, Table, apply, decision, limits


def arrays(c: Component) -> Iterator[tuple[Component, str, Array]]:
    """The trained arrays of `c`: the component or part that holds each, the field's name, the array."""
    for leaf in c.leaves():
        for name in names(leaf, PARAM):
            if (a := getattr(leaf, name)) is not None:
                yield leaf, name, a


def has_stats(c: Component) -> bool:
    """Whether anything in `c` is a statistic."""
    return any(True for leaf in c.leaves() for _ in names(leaf, STAT))


class Flat:
    """The parameters of `model` (w) and of `delta` (d), each in one array, and one update of them.

    The arrays of updatable components are replaced by views with the same values. A component whose arrays,
    or settings, are exchanged later is noticed and taken in before the next update.
    """

    def __init__(self, model: Mapping[str, Component], delta: Mapping[str, Component]):
        self.model, self.delta = model, delta
        self._lay_out()

    def _lay_out(self) -> None:
        self.names = [name for name, _ in tree.updatable(self.delta)]
        sizes = [sum(_room(a) for _, _, a in arrays(self.delta[name])) for name in self.names]
        first = np.cumsum([0, *(-(-size // CHUNK) for size in sizes)])
        self._views: list[tuple[Component, str, Array]] = []
        self.w = self._take_in(self.model, first)
        self.d = self._take_in(self.delta, first)
        self._settings = self.settings_now()
        rates, l2, most = np.array(self._settings, np.float64).reshape(-1, 3).T
        self.decision: Decision = decision(self.w, Table(first, -2.0 * rates * l2, most))

    def settings_now(self) -> tuple[tuple[float, float, float], ...]:
        """Learning rate, l2-regularize and max-change of all that is trained."""
        held: list[Any] = [self.delta[name] for name in self.names]
        return tuple((c.learning_rate, c.l2_regularize, c.max_change) for c in held)

    def _take_in(self, components: Mapping[str, Component], first: np.ndarray) -> Array:
        found = [[*arrays(components[name])] for name in self.names]
        every = [a for part in found for _, _, a in part]
        if not every:
            return np.zeros(0, np.float32)
        whole = array_module(every[0]).zeros(
            int(first[-1]) * CHUNK, np.result_type(*(a.dtype for a in every))
        )
        for start, part in zip(first.tolist(), found):
            at = start * CHUNK
            for leaf, name, a in part:
                view = whole[at : at + a.size].reshape(a.shape)
                view[...] = a
                setattr(leaf, name, view)
                self._views.append((leaf, name, view))
                at += _room(a)
        return whole

    def _intact(self) -> bool:
        held = {
            id(leaf) for c in (self.model, self.delta) for name in self.names for leaf in c[name].leaves()
        }
        return self._settings == self.settings_now() and all(
            id(leaf) in held and getattr(leaf, name) is view for leaf, name, view in self._views
        )

    def update(self, sound: Array, how: Limits, momentum: float) -> Array:
        """model += what the limits leave of scale * (delta + L2), then delta *= momentum (Kaldi's order).

        Returns (1,) where the arrays lie: 0 if the change is not finite, or `sound` is 0; then the model
        stays as it was and delta becomes zero. Statistics in delta go along with its parameters.
        """
        if not self._intact():
            counts = self.decision.counts
            self._lay_out()
            self.decision.counts = counts
        limits(self.decision, self.d, self.w, sound, how)
        factors, good = self.decision.factors, self.decision.good[0]
        for i, name in enumerate(self.names):
            if has_stats(self.delta[name]):
                pull = float(how.l2_scale * self.decision.table.l2[i])
                self._update_stats(name, pull, factors[i], good != 0, momentum)
        apply(self.decision, self.w, self.d, momentum)
        return self.decision.good

    def _update_stats(self, name: str, pull: float, factor: Array, good: Array, momentum: float) -> None:
        """The same for the statistics of recurrent cells, L2 too, as Kaldi has it."""
        c, d, where = self.model[name], self.delta[name], array_module(factor).where
        if pull != 0.0:
            tree.add(d, c, pull, STAT)
        for leaf, change in zip(c.leaves(), d.leaves()):
            for key in names(leaf, STAT):
                mine, theirs = getattr(leaf, key), getattr(change, key)
                if theirs is not None:
                    new = where(good, factor * theirs, 0.0)
                    tree.put(leaf, key, new if mine is None else mine + new)
                    tree.put(change, key, where(good, momentum * theirs, 0.0))


def _room(a: Array) -> int:
    """Elements from the start of an array to that of the next, which lies on a cache line of its own."""
    return -(-int(a.size) // 16) * 16

"""The work on a minibatch as a CUDA graph: when it is captured, when it may be launched again.

A launch does what the captured work did, on the same memory. So inputs and targets are copied into arrays
that the graph knows; the seed of random masks, counts and the state of natural gradient lie on the device;
what the host decides (which statistics are due, which estimates) is part of the key under which a graph is
kept; and arrays made on the way come from a pool that lives as long as the graphs. Graphs are launched one
after the other on one stream, so they share that pool; what is to outlive the next launch is copied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from nnet.backend import Array, array_module
from nnet.component import PARAM, STAT, Component
from nnet.minibatch import ChainTarget, DenseTarget, Minibatch, SparseTarget, Target
from nnet.natural_gradient import OnlineNaturalGradient
from nnet.objectives import Value
from nnet.outer import preconditioners
from nnet.tree import held

MOST = 64  # graphs of one job: about eight for each structure of minibatch
Outcome = tuple[Mapping[str, Value], Array | None]  # objectives, and (1,) whether the change was good
Work = Callable[[Minibatch], Outcome]
Place = tuple[Any, str, Any]  # who holds an array, under which name, and the array


class NotCapturableError(RuntimeError):
    """What keeps the work on a minibatch from being a graph."""


@dataclass(eq=False)
class Captured:
    """A graph, the minibatch that it reads, what it gives, and how far it moves counters of the host."""

    graph: Any
    batch: Minibatch
    outcome: Outcome
    places: list[Place]
    moved: list[OnlineNaturalGradient]

    def launch(self, batch: Minibatch) -> Outcome:
        """Do it with another minibatch of the same structure; the outcome is the caller's to keep."""
        _copy(batch, self.batch)
        self.graph.launch()
        for ng in self.moved:
            ng.t += 1
        values, good = self.outcome
        return {name: _kept(v) for name, v in values.items()}, good


class Graphs:
    """The graphs of one job that changes `model` and `delta`. `log` hears what cannot be captured, once."""

    def __init__(
        self,
        cupy: ModuleType,
        model: Mapping[str, Component],
        delta: Mapping[str, Component],
        log: Callable[[str], None],
    ):
        self.cupy, self.model, self.delta, self.log = cupy, model, delta, log
        self.pool = cupy.cuda.MemoryPool()
        self.graphs: dict[Hashable, Captured] = {}
        self.seen: Counter[Hashable] = Counter()
        self.off: set[Hashable] = set()
        self.launched = 0

    def run(self, key: Hashable, batch: Minibatch, work: Work) -> Outcome:
        """What `work(batch)` gives: step by step the first time a key is seen, then as a graph.

        `key` tells all that the host decides in it but for natural gradient, whose part is added here.
        """
        structure, key = _structure(batch), (key, _structure(batch), self._due())
        found = self.graphs.get(key)
        if found is not None and not _intact(found.places):
            self.graphs.clear()  # parameters or statistics lie elsewhere now
            found = None
        if found is None and structure not in self.off and self.seen[key] and len(self.graphs) < MOST:
            found = self._captured(key, structure, batch, work)
        if found is not None:
            self.launched += 1
            return found.launch(batch)
        self.seen[key] += 1
        with self.cupy.cuda.using_allocator(self.pool.malloc):  # a capture will find the memory that it needs
            return work(batch)

    def _due(self) -> Hashable:
        return tuple(ng.due for ng in preconditioners(self.delta))

    def _captured(self, key: Hashable, structure: Hashable, batch: Minibatch, work: Work) -> Captured | None:
        """The new graph of `key`; None, and why in the log, if there can be none for this structure."""
        try:
            self.graphs[key] = self._capture(batch, work)
        except Exception as error:  # whatever it was: step by step it works, or fails again
            self.off.add(structure)
            self.log(f"CUDA graphs: minibatches like this one are done step by step: {error}")
        return self.graphs.get(key)

    def _capture(self, batch: Minibatch, work: Work) -> Captured:
        stream = self.cupy.cuda.get_current_stream()
        places, estimates = self._places(), [*preconditioners(self.delta)]
        before = [ng.t for ng in estimates]
        own = _like(batch)
        try:
            with self.cupy.cuda.using_allocator(self.pool.malloc):
                stream.begin_capture()
                try:
                    outcome = work(own)
                finally:
                    graph = _ended(stream)
            steps = [ng.t - t for ng, t in zip(estimates, before)]
            if max(steps, default=0) > 1:
                raise NotCapturableError("an estimate of natural gradient is used several times")
            if not _intact(places) or len(self._places()) != len(places):
                raise NotCapturableError("a component exchanges its arrays")
        except BaseException:
            for holder, name, value in places:
                setattr(holder, name, value)
            for ng in estimates:
                if ng.fisher is not None:
                    ng.fisher.pending = None
            raise
        finally:
            for ng, t in zip(estimates, before):
                ng.t = t
        moved = [ng for ng, n in zip(estimates, steps) if n]
        return Captured(graph, own, outcome, places, moved)

    def _places(self) -> list[Place]:
        """Where everything lies that outlives a minibatch."""
        found: list[Place] = []
        for components in (self.model, self.delta):
            for c in components.values():
                found += [(leaf, name, getattr(leaf, name)) for leaf, name in held(c, PARAM, STAT)]
        for ng in preconditioners(self.delta):
            found += [(ng, "W", ng.W), (ng.fisher, "batch", ng.fisher.batch)] if ng.fisher else []
        return found


def _ended(stream: Any) -> Any:
    """What was captured; None where an error had ended the capture."""
    with suppress(Exception):
        return stream.end_capture()
    return None


def _intact(places: list[Place]) -> bool:
    return all(getattr(holder, name) is value for holder, name, value in places)


def _structure(batch: Minibatch) -> Hashable:
    """All of a minibatch but the numbers in it."""
    inputs = tuple((name, frames, x.shape) for name, (frames, x) in batch.inputs.items())
    return batch.n, inputs, tuple((name, *_form(t)) for name, t in batch.outputs.items())


def _form(target: Target | ChainTarget) -> tuple[Hashable, ...]:
    if isinstance(target, SparseTarget):
        return target.frames, target.dim, len(target.t)
    return (target.frames, target.values.shape) if isinstance(target, DenseTarget) else (target.frames,)


def _arrays(batch: Minibatch) -> list[Array]:
    found = [x for _, x in batch.inputs.values()]
    for target in batch.outputs.values():
        if isinstance(target, DenseTarget):
            found.append(target.values)
        elif isinstance(target, SparseTarget):
            found += [target.t, target.n, target.column, target.weight]
        else:
            raise NotCapturableError("supervisions of LF-MMI differ in size")
    return found


def _like(batch: Minibatch) -> Minibatch:
    """Room for a minibatch of this structure."""
    room = iter([array_module(a).empty_like(a) for a in _arrays(batch)])
    inputs = {name: (frames, next(room)) for name, (frames, _) in batch.inputs.items()}
    outputs: dict[str, Target | ChainTarget] = {}
    for name, target in batch.outputs.items():
        if isinstance(target, DenseTarget):
            outputs[name] = replace(target, values=next(room))
        elif isinstance(target, SparseTarget):
            t, n, column, weight = (next(room) for _ in range(4))
            outputs[name] = replace(target, t=t, n=n, column=column, weight=weight)
    return Minibatch(batch.n, inputs, outputs)


def _copy(batch: Minibatch, room: Minibatch) -> None:
    for a, there in zip(_arrays(batch), _arrays(room)):
        there[...] = a


def _kept(value: Value) -> Value:
    """The numbers of a value in memory of their own, the derivative left out."""
    total, weight = (x.copy() if hasattr(x, "dtype") else x for x in (value.total, value.weight))
    return replace(value, total=total, weight=weight, derivative=None)

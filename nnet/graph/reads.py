"""Which frames of which nodes a descriptor reads: computability and the frames themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nnet.component import Component
from nnet.graph.descriptor import (
    Append,
    Const,
    Descriptor,
    Failover,
    IfDefined,
    NodeRef,
    Offset,
    ReplaceIndex,
    Round,
    Scale,
    Sum,
    Switch,
    children,
    terms,
)
from nnet.graph.network import Nnet
from nnet.graph.node import ComponentNode, DimRangeNode, InputNode


@dataclass(frozen=True)
class Read:
    """Frames `at` of `source`, times `scale`, are needed at frames `to` of the reader, one for one."""

    source: str
    scale: float
    at: Sequence[int]
    to: Sequence[int]


def same_frames(c: Component) -> bool:
    """Whether `c` reads just the frame that it computes."""
    if type(c).uses is not Component.uses:
        return False
    return type(c).reads is Component.reads or all(c.reads(t) == [t] for t in (0, 1))


def has_optional_reads(c: Component) -> bool:
    """Whether `c` can compute a frame without some of the frames it would like to read."""
    return type(c).uses is not Component.uses


class Computable:
    """Answers whether a frame of a node can be computed from the given frames of the inputs.

    A node without answer yet is followed down; answers are kept. What stands inside IfDefined is not
    followed, so recurrences end (a cycle without IfDefined is refused before, see groups.py).
    """

    def __init__(self, nnet: Nnet, given: Mapping[str, Collection[int]]):
        self.nnet = nnet
        self.given = {name: frozenset(frames) for name, frames in given.items()}
        self.known: dict[str, dict[int, bool]] = {name: {} for name in nnet.nodes}
        self.shifts = {name: self._plain_shifts(name) for name in nnet.nodes}

    def __call__(self, name: str, t: int) -> bool:
        """Whether frame t of node `name` can be computed."""
        known = self.known[name]
        found = known.get(t)
        if found is None:
            shifts = self.shifts[name]
            if shifts is None:
                found = self._look(name, t)
            else:  # the usual case, kept flat: deep networks must not exhaust Python's stack
                found = True
                for source, shift in shifts:
                    if not self(source, t + shift):
                        found = False
                        break
            known[t] = found
        return found

    def holds(self, d: Descriptor, t: int) -> bool:
        """Whether descriptor `d` can be computed at frame t."""
        if isinstance(d, NodeRef):
            return self(d.name, t)
        if isinstance(d, (Append, Sum)):
            return all(self.holds(part, t) for part in d.parts)
        if isinstance(d, Failover):
            return any(self.holds(part, t) for part in d.parts)
        if isinstance(d, (IfDefined, Const)):
            return True
        part, at = step(d, t)
        return self.holds(part, at)

    def frames_used(self, node: ComponentNode, t: int) -> list[int] | None:
        """The frames of its input from which a component node computes frame t, or None if it cannot."""
        component = self.nnet.components[node.component]
        return component.uses(t, lambda f: self.holds(node.input, f))

    def _look(self, name: str, t: int) -> bool:
        node = self.nnet.nodes[name]
        if isinstance(node, InputNode):
            return t in self.given.get(name, ())
        if isinstance(node, DimRangeNode):
            return self(node.source, t)
        if isinstance(node, ComponentNode) and not same_frames(self.nnet.components[node.component]):
            return self.frames_used(node, t) is not None
        return self.holds(node.input, t)

    def _plain_shifts(self, name: str) -> list[tuple[str, int]] | None:
        """(source, offset) of all that a node must have, if it is as simple as that."""
        node = self.nnet.nodes[name]
        if isinstance(node, InputNode):
            return None
        if isinstance(node, DimRangeNode):
            return [(node.source, 0)]
        if isinstance(node, ComponentNode) and not same_frames(self.nnet.components[node.component]):
            return None
        shifts = _shifts(node.input, 0)
        return None if shifts is None else list(dict.fromkeys(shifts))


def _shifts(d: Descriptor, offset: int) -> list[tuple[str, int]] | None:
    if isinstance(d, NodeRef):
        return [(d.name, offset)]
    if isinstance(d, (IfDefined, Const)):
        return []
    if isinstance(d, (Failover, Switch, Round, ReplaceIndex)):
        return None
    found = []
    for part in children(d):
        inner = _shifts(part, offset + (d.offset if isinstance(d, Offset) else 0))
        if inner is None:
            return None
        found += inner
    return found


def step(d: Descriptor, t: int) -> tuple[Descriptor, int]:
    """The descriptor inside a forwarding one, and the frame at which it is read for frame t."""
    if isinstance(d, Offset):
        return d.part, t + d.offset
    if isinstance(d, Scale):
        return d.part, t
    if isinstance(d, Round):
        return d.part, t - t % d.modulus
    if isinstance(d, ReplaceIndex):
        return d.part, d.value if d.variable == "t" else t
    assert isinstance(d, Switch), d
    return d.parts[t % len(d.parts)], t


def reads(d: Descriptor, frames: Sequence[int], computable: Computable) -> Iterator[Read]:
    """What one term of a normal form reads at `frames`; optional parts that cannot be computed drop out."""
    if isinstance(d, Sum):
        for part in d.parts:
            yield from reads(part, frames, computable)
    elif isinstance(d, IfDefined):
        yield from reads(d.part, [t for t in frames if computable.holds(d.part, t)], computable)
    elif isinstance(d, Failover):
        first, second = d.parts
        ok = [computable.holds(first, t) for t in frames]
        yield from reads(first, [t for t, good in zip(frames, ok) if good], computable)
        yield from reads(second, [t for t, good in zip(frames, ok) if not good], computable)
    elif not isinstance(d, Const):
        yield from _forwarded(d, frames, frames, 1.0)


def _forwarded(d: Descriptor, at: Sequence[int], to: Sequence[int], scale: float) -> Iterator[Read]:
    if isinstance(d, NodeRef):
        if at:
            yield Read(d.name, scale, at, to)
    elif isinstance(d, Switch):
        for i, part in enumerate(d.parts):
            chosen = [j for j, t in enumerate(at) if t % len(d.parts) == i]
            yield from _forwarded(part, [at[j] for j in chosen], [to[j] for j in chosen], scale)
    elif isinstance(d, Offset):
        yield from _forwarded(d.part, [t + d.offset for t in at], to, scale)
    elif isinstance(d, Scale):
        yield from _forwarded(d.part, at, to, scale * d.scale)
    else:
        yield from _forwarded(children(d)[0], [step(d, t)[1] for t in at], to, scale)


def all_reads(d: Descriptor, frames: Sequence[int], computable: Computable) -> Iterator[Read]:
    """What all terms of a descriptor in normal form read at `frames`."""
    for term in terms(d):
        yield from reads(term, frames, computable)

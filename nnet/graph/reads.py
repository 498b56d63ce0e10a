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
from nnet.graph.node import ComponentNode, DimRangeNode, InputNode, Node, OutputNode


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


Needs = list[tuple[str, int]]  # nodes and frames


class Computable:
    """Answers whether a frame of a node can be computed from the given frames of the inputs.

    A node without answer yet is followed down; answers are kept. What stands inside IfDefined is not
    followed, so recurrences end (a cycle without IfDefined is refused before, see groups.py).
    """

    def __init__(self, nnet: Nnet, given: Mapping[str, Collection[int]]):
        self.nnet = nnet
        self.given = {name: frozenset(frames) for name, frames in given.items()}
        self.known: dict[str, dict[int, bool]] = {name: {} for name in nnet.nodes}
        self.simple = {name: self._is_simple(name) for name in nnet.nodes}
        self.shifts = {name: _shifts(nnet.nodes[name]) for name in nnet.nodes}

    def __call__(self, name: str, t: int) -> bool:
        """Whether frame t of node `name` can be computed."""
        found = self.known[name].get(t)
        return self._settle(name, t) if found is None else found

    def _settle(self, name: str, t: int) -> bool:
        """Find the answer with a stack of our own: deep networks would exhaust Python's."""
        stack = [(name, t)]
        while stack:
            node, at = stack[-1]
            if self.simple[node]:
                needs = self._needs(node, at)
                answers = [self.known[source].get(f) for source, f in needs]
                if None in answers and False not in answers:
                    stack += [need for need, answer in zip(needs, answers) if answer is None]
                    continue
                self.known[node][at] = False not in answers
            else:
                self.known[node][at] = self._look(node, at)
            stack.pop()
        return self.known[name][t]

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
        assert isinstance(node, (ComponentNode, OutputNode))
        if isinstance(node, ComponentNode):
            return self.frames_used(node, t) is not None
        return self.holds(node.input, t)

    def _is_simple(self, name: str) -> bool:
        """Whether a node simply needs all of a list of frames."""
        node = self.nnet.nodes[name]
        if isinstance(node, (InputNode, DimRangeNode)):
            return isinstance(node, DimRangeNode)
        optional = isinstance(node, ComponentNode) and has_optional_reads(
            self.nnet.components[node.component]
        )
        return not optional and not _has_failover(node.input)

    def _needs(self, name: str, t: int) -> Needs:
        node, shifts = self.nnet.nodes[name], self.shifts[name]
        if isinstance(node, DimRangeNode):
            return [(node.source, t)]
        assert isinstance(node, (ComponentNode, OutputNode))
        frames = self.nnet.components[node.component].reads(t) if isinstance(node, ComponentNode) else [t]
        if shifts is not None:
            return [(source, f + shift) for f in frames for source, shift in shifts]
        needs: Needs = []
        for f in frames:
            _collect(node.input, f, needs)
        return needs


def _has_failover(d: Descriptor) -> bool:
    return isinstance(d, Failover) or any(_has_failover(part) for part in children(d))


def _shifts(node: Node) -> Needs | None:
    """What the input of a node needs at frame 0, if that merely moves along with the frame."""
    if isinstance(node, (InputNode, DimRangeNode)) or not _only_shifts(node.input):
        return None
    needs: Needs = []
    _collect(node.input, 0, needs)
    return list(dict.fromkeys(needs))


def _only_shifts(d: Descriptor) -> bool:
    if isinstance(d, (Failover, Switch, Round, ReplaceIndex)):
        return False
    return isinstance(d, IfDefined) or all(_only_shifts(part) for part in children(d))


def _collect(d: Descriptor, t: int, needs: Needs) -> None:
    """Append what a descriptor without Failover cannot do without at frame t."""
    if isinstance(d, NodeRef):
        needs.append((d.name, t))
    elif isinstance(d, (Append, Sum)):
        for part in d.parts:
            _collect(part, t, needs)
    elif not isinstance(d, (IfDefined, Const)):
        _collect(*step(d, t), needs)


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

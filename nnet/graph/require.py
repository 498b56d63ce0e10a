"""Which frames every node must compute so that the requested output frames come out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from nnet.graph.groups import check_cycles, components, sources
from nnet.graph.network import Nnet
from nnet.graph.node import ComponentNode, DimRangeNode, InputNode
from nnet.graph.reads import Computable, all_reads, has_optional_reads, same_frames

FAR = 100_000  # a recurrence that runs this many frames away from inputs and outputs has no end


@dataclass
class Required:
    """The frames that each node computes, and those at which its input is wanted."""

    groups: list[list[str]]  # in the order of computation
    frames: dict[str, tuple[int, ...]] = field(default_factory=dict)
    input_frames: dict[str, tuple[int, ...]] = field(default_factory=dict)


def require(
    nnet: Nnet, given: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]]
) -> tuple[Required, Computable]:
    """Frames of all nodes that are needed for `wanted` frames of outputs from `given` frames of inputs.

    Raises ValueError naming an output frame and an input frame that it needs and that is not given.
    """
    check_cycles(nnet, wanted)
    pass_ = _Pass(nnet, given, wanted)
    for group in reversed(pass_.required.groups):
        pass_.visit(group)
    return pass_.required, pass_.computable


class _Pass:
    def __init__(
        self, nnet: Nnet, given: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]]
    ):
        self.nnet, self.wanted = nnet, wanted
        self.computable = Computable(nnet, given)
        self.graph = sources(nnet)
        self.required = Required(components(self.graph, wanted))
        self.needed: dict[str, set[int]] = {name: set() for group in self.required.groups for name in group}
        for name, frames in wanted.items():
            self.needed[name].update(frames)
        known = [t for frames in (*given.values(), *wanted.values()) for t in frames]
        self.first, self.last = min(known, default=0) - FAR, max(known, default=0) + FAR

    def visit(self, group: list[str]) -> None:
        """Settle the frames of a group, all of whose readers are settled."""
        pending = {name: set(self.needed[name]) for name in group}
        while any(pending.values()):
            for name in group:
                new, pending[name] = pending[name], set()
                for source, at in self.read(name, sorted(new)) if new else ():
                    if source in pending:
                        pending[source] |= at - self.needed[source]
                        self.check_end(group, pending[source])
                    self.needed[source] |= at
        for name in group:
            self.required.frames[name] = tuple(sorted(self.needed[name]))
            self.required.input_frames.setdefault(name, self.required.frames[name])

    def read(self, name: str, frames: list[int]) -> Iterable[tuple[str, set[int]]]:
        """The frames of other nodes that frames of one node need."""
        node = self.nnet.nodes[name]
        if isinstance(node, InputNode):
            given = self.computable.given.get(name)
            if given is None or not given.issuperset(frames):
                raise ValueError(self.explain())
            return []
        if isinstance(node, DimRangeNode):
            return [(node.source, set(frames))]
        if isinstance(node, ComponentNode) and not same_frames(self.nnet.components[node.component]):
            frames = self.input_frames(name, node, frames)
        return [(r.source, set(r.at)) for r in all_reads(node.input, frames, self.computable)]

    def input_frames(self, name: str, node: ComponentNode, frames: list[int]) -> list[int]:
        """The input frames of a component that reads other frames than it computes."""
        component = self.nnet.components[node.component]
        if not self.graph[name]:
            self.required.input_frames[name] = ()
            return []
        used: set[int] = set()
        for t in frames:
            if has_optional_reads(component):
                found = self.computable.frames_used(node, t)
                if found is None:
                    raise ValueError(self.explain())
                used.update(found)
            else:
                used.update(component.reads(t))
        self.required.input_frames[name] = tuple(sorted(used))
        return sorted(used)

    def check_end(self, group: list[str], frames: set[int]) -> None:
        if frames and (min(frames) < self.first or max(frames) > self.last):
            raise ValueError(
                f"the recurrence of nodes {', '.join(group)} never ends: "
                "every frame of it can be computed, since it reads no input that has a first and a last frame"
            )

    def explain(self) -> str:
        """Which requested output frame cannot be computed, and for lack of which input frame."""
        for output, frames in self.wanted.items():
            for t in frames:
                if not self.computable(output, t):
                    source, missing = self.missing(output, t)
                    return f"{output} at t={t} needs {source} frame {missing}; {self.extent(source)}"
        raise AssertionError("all outputs can be computed")

    def missing(self, name: str, t: int) -> tuple[str, int]:
        """An input frame that is not given and without which node `name` has no frame t."""
        node = self.nnet.nodes[name]
        if isinstance(node, InputNode):
            return name, t
        frames = [t]
        if isinstance(node, ComponentNode):
            frames = self.nnet.components[node.component].reads(t)
        if isinstance(node, DimRangeNode):
            return self.missing(node.source, t)
        for read in all_reads(node.input, frames, self.computable):
            for at in read.at:
                if not self.computable(read.source, at):
                    return self.missing(read.source, at)
        raise AssertionError(f"{name} can be computed at {t}")

    def extent(self, name: str) -> str:
        given = self.computable.given.get(name)
        if not given:
            return f"no frame of {name} is given"
        first, last = min(given), max(given)
        gaps = "" if len(given) == last - first + 1 else ", with gaps"
        return f"the {name} runs from {first} to {last}{gaps}"

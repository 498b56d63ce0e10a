"""A plan: the steps that compute requested output frames from given input frames.

No layer has a stride or a padding: each node computes exactly the frames that the requested outputs need.
A plan is made once for each structure of minibatch (make_plan), kept (PlanCache), and serves any number of
sequences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from nnet.graph.clipped import clipped
from nnet.graph.lower import Lowering
from nnet.graph.network import Nnet
from nnet.graph.node import ComponentNode, DimRangeNode, InputNode
from nnet.graph.recurrence import recurrence
from nnet.graph.require import Required, require
from nnet.graph.steps import Apply, Copy, Frames, Output, Recurrence, Step, members


@dataclass(frozen=True)
class Request:
    """The frames given of each input and wanted of each output, rising; ranges and lists become tuples."""

    inputs: Mapping[str, Sequence[int]]
    outputs: Mapping[str, Sequence[int]]

    def __post_init__(self) -> None:
        for what in ("inputs", "outputs"):
            frames = {name: tuple(found) for name, found in getattr(self, what).items()}
            for name, found in frames.items():
                if any(b <= a for a, b in pairwise(found)):
                    raise ValueError(f"the frames of {name} must rise: {found}")
            object.__setattr__(self, what, frames)

    @cached_property
    def key(self) -> tuple[object, ...]:
        """The request as something to look up by."""
        return tuple(self.inputs.items()), tuple(self.outputs.items())


@dataclass(frozen=True)
class Plan:
    """Steps in order of computation, and the frames of every node that they compute."""

    request: Request
    steps: tuple[Step, ...]
    frames: Mapping[str, Frames]
    readers_done: tuple[tuple[str, ...], ...]  # after each step, the nodes whose output nobody reads any more
    alone: frozenset[str]  # component nodes that share their component with no other
    clipped: Mapping[str, tuple[Apply, Apply]]  # nodes that can be computed with two that follow: `clipped`

    @property
    def num_turns(self) -> int:
        """How many times a component is applied."""
        return sum(len(s.turns) if isinstance(s, Recurrence) else isinstance(s, Apply) for s in self.steps)


def make_plan(nnet: Nnet, request: Request) -> Plan:
    """The plan for `request`. Given input frames that nobody needs are allowed.

    Raises ValueError naming an output frame and the input frame that it lacks, or an unknown input or output.
    """
    for name in request.inputs:
        nnet.input_dim(name)
    for name in request.outputs:
        nnet.output_dim(name)
    inputs = {name: tuple(frames) for name, frames in request.inputs.items()}
    wanted = {name: tuple(frames) for name, frames in request.outputs.items()}
    required, computable = require(nnet, inputs, wanted)
    frames = dict(required.frames) | inputs
    lowering = Lowering(nnet, computable, frames)
    steps = [
        step for group in required.groups if (step := _step(nnet, group, required, lowering)) is not None
    ]
    return Plan(request, tuple(steps), frames, _readers_done(steps), _alone(nnet), clipped(nnet, steps))


def _step(nnet: Nnet, group: list[str], required: Required, lowering: Lowering) -> Step | None:
    name = group[0]
    node = nnet.nodes[name]
    if not any(required.frames[member] for member in group):
        return None
    if len(group) > 1 or (name in nnet.sources(name) and required.input_frames[name]):
        return recurrence(nnet, group, required, lowering)
    if isinstance(node, (InputNode, DimRangeNode)):
        return None
    t_in, t_out = required.input_frames[name], required.frames[name]
    width = nnet.components[node.component].input_dim if isinstance(node, ComponentNode) else nnet.dim(name)
    gather = lowering.gather(width, t_in, *(lowering.moves(node.input, t_in) if t_in else ([], [])))
    return (
        Apply(name, gather, t_in, t_out) if isinstance(node, ComponentNode) else Output(name, gather, t_out)
    )


def _alone(nnet: Nnet) -> frozenset[str]:
    nodes = {name: node.component for name, node in nnet.nodes.items() if isinstance(node, ComponentNode)}
    times = Counter(nodes.values())
    return frozenset(name for name, component in nodes.items() if times[component] == 1)


def _readers_done(steps: Sequence[Step]) -> tuple[tuple[str, ...], ...]:
    """For each step the nodes whose output no later step reads."""
    last: dict[str, int] = {}
    for i, step in enumerate(steps):
        for name in members(step):
            last[name] = i
        for copy in _copies(step):
            last[copy.source] = i
    done: list[list[str]] = [[] for _ in steps]
    for name, i in last.items():
        done[i].append(name)
    return tuple(map(tuple, done))


def _copies(step: Step) -> Iterator[Copy]:
    if isinstance(step, Recurrence):
        for gather in step.gathers.values():
            yield from gather.copies
        yield from step.views.values()
    else:
        yield from step.gather.copies


class PlanCache:
    """Plans of one network by request, the `capacity` most recently used."""

    def __init__(self, nnet: Nnet, capacity: int = 64):
        self.nnet, self.capacity = nnet, capacity
        self.plans: dict[object, Plan] = {}

    def __call__(self, request: Request) -> Plan:
        """The plan for `request`, made at its first use."""
        plan = self.plans.pop(request.key, None) or make_plan(self.nnet, request)
        self.plans[request.key] = plan  # the most recent one stands last
        if len(self.plans) > self.capacity:
            del self.plans[next(iter(self.plans))]
        return plan

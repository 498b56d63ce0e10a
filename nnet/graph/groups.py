"""In which order nodes can be computed: cycles are groups, and a group is run in blocks of frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from nnet.graph.descriptor import Descriptor, IfDefined, NodeRef, children
from nnet.graph.network import Nnet
from nnet.graph.node import ComponentNode, DimRangeNode, InputNode

Sources = Mapping[str, Sequence[str]]


def sources(nnet: Nnet) -> dict[str, list[str]]:
    """For each node the nodes it reads. A component that reads no frame (a dropout mask) has none."""
    return {name: [] if _reads_nothing(nnet, name) else nnet.sources(name) for name in nnet.nodes}


def _reads_nothing(nnet: Nnet, name: str) -> bool:
    node = nnet.nodes[name]
    return isinstance(node, ComponentNode) and not nnet.components[node.component].reads(0)


def check_cycles(nnet: Nnet, outputs: Iterable[str]) -> None:
    """Raise ValueError if an output depends on a cycle that no IfDefined opens: nothing could compute it."""
    must: dict[str, list[str]] = {}
    for name, node in nnet.nodes.items():
        if isinstance(node, (InputNode, DimRangeNode)) or _reads_nothing(nnet, name):
            must[name] = nnet.sources(name) if isinstance(node, DimRangeNode) else []
        else:
            must[name] = list(dict.fromkeys(_required(node.input)))
    for group in components(must, outputs):
        if len(group) > 1 or group[0] in must[group[0]]:
            raise ValueError(
                f"the nodes {', '.join(group)} form a cycle that can never be computed: "
                "put the delayed input into IfDefined, as in IfDefined(Offset(x, -1))"
            )


def _required(d: Descriptor) -> Iterable[str]:
    if isinstance(d, NodeRef):
        yield d.name
    elif not isinstance(d, IfDefined):
        for part in children(d):
            yield from _required(part)


def components(graph: Sources, roots: Iterable[str]) -> list[list[str]]:
    """Strongly connected components of what `roots` depend on, those read by others first (Tarjan, 1972)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []
    on_path: set[str] = set()
    found: list[list[str]] = []
    for root in roots:
        work = [(root, iter(graph[root]))] if root not in order else []
        while work:
            name, rest = work[-1]
            if name not in order:
                order[name] = low[name] = len(order)
                path.append(name)
                on_path.add(name)
            for source in rest:
                if source not in order:
                    work.append((source, iter(graph[source])))
                    break
                if source in on_path:
                    low[name] = min(low[name], low[source])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[name])
                if low[name] == order[name]:
                    found.append(_pop_until(name, path, on_path))
    return found


def _pop_until(name: str, path: list[str], on_path: set[str]) -> list[str]:
    group: list[str] = []
    while not group or group[-1] != name:
        group.append(path.pop())
        on_path.discard(group[-1])
    return group[::-1]


@dataclass(frozen=True)
class Blocks:
    """How to run a recurrent group: for each span of frames (first, last) the nodes in this order."""

    order: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]


def blocks(group: Sequence[str], frames: Iterable[int], delays: Mapping[tuple[str, str], set[int]]) -> Blocks:
    """Blocks no wider than the shortest delay, in the direction in which the group runs.

    `delays` holds for each (reader, source) within the group the differences (frame read - frame computed).
    Raises ValueError if a cycle has no delay, or delays of both signs.
    """
    nonzero = {k for found in delays.values() for k in found if k != 0}
    names = ", ".join(group)
    if min(nonzero, default=-1) < 0 < max(nonzero, default=-1):
        raise ValueError(
            f"the cycle of nodes {names} has offsets of both signs ({', '.join(map(str, sorted(nonzero)))}): "
            "it can be run neither forwards nor backwards in time"
        )
    sorter = TopologicalSorter({name: () for name in group})
    for (reader, source), found in delays.items():
        if 0 in found:
            sorter.add(reader, source)
    try:
        order = tuple(sorter.static_order())
    except CycleError:
        raise ValueError(f"the cycle of nodes {names} has no delay: put an Offset into it") from None
    width = min((abs(k) for k in nonzero), default=1)
    forwards = min(nonzero, default=-1) < 0
    return Blocks(order, tuple(_spans(sorted(set(frames)), width, forwards)))


def _spans(frames: Sequence[int], width: int, forwards: bool) -> Iterable[tuple[int, int]]:
    sign = 1 if forwards else -1
    limit = None
    for t in frames[::sign]:
        if limit is None or sign * t >= limit:
            limit = sign * t + width
            yield (t, t + width - 1) if forwards else (t - width + 1, t)

"""The step of a recurrent group: what is gathered before, and the turns in which its nodes are run."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

from nnet.frames import rows_around
from nnet.graph.groups import Blocks, blocks
from nnet.graph.lower import Lowering, Move
from nnet.graph.network import Nnet
from nnet.graph.node import ComponentNode
from nnet.graph.reads import same_frames
from nnet.graph.require import Required
from nnet.graph.steps import Copy, Gather, Recurrence, Turn


def recurrence(nnet: Nnet, group: Sequence[str], required: Required, lowering: Lowering) -> Recurrence:
    """The step that runs a cycle of nodes. Raises ValueError if it cannot be run in blocks of frames."""
    nodes = [n for n in group if isinstance(nnet.nodes[n], ComponentNode) and required.frames[n]]
    inner: dict[str, list[Move]] = {}
    gathers: dict[str, Gather] = {}
    views: dict[str, Copy] = {}
    for name in nodes:
        node = nnet.nodes[name]
        assert isinstance(node, ComponentNode)
        _check_component(nnet, name, group)
        t = required.frames[name]
        fills, moves = lowering.moves(node.input, t, late=frozenset(group))
        inner[name] = [move for move in moves if move.source in nodes]
        outside = [move for move in moves if move.source not in nodes]
        width = nnet.components[node.component].input_dim
        whole = lowering.gather(width, t, fills, moves)
        if whole.alias or _is_columns(nnet, name, whole, len(t)):
            views[name] = whole.copies[0]
        gathers[name] = lowering.gather(width, t, fills, outside)
    frames = {name: required.frames[name] for name in nodes}
    order = blocks(nodes, [t for found in frames.values() for t in found], _delays(inner))
    turns = _turns(order, frames, inner, lowering)
    written = _written(inner, views, frames, lowering)
    alone = frozenset(set(nodes) - views.keys() - _shared(nnet, group, written, lowering))
    return Recurrence(tuple(nodes), frames, gathers, views, written, alone, _within(turns), tuple(turns))


def _is_columns(nnet: Nnet, name: str, g: Gather, rows: int) -> bool:
    """Whether a node can look at its input where it lies: in columns of what is kept for backward anyway.

    The projection of an LSTM reads m, half of what the cell computes: 3 MB for 46 frames of 64 sequences.
    """
    if g.fills or len(g.copies) != 1 or not nnet.component_of(name).TAKES_COLUMNS:
        return False
    c = g.copies[0]
    dense = isinstance(c.src, slice) and c.src.step == 1 and c.dst == slice(0, rows, 1)
    plain = dense and c.columns == slice(0, g.dim) and c.scale == 1.0 and not c.add
    source = nnet.nodes[c.source]
    return plain and isinstance(source, ComponentNode) and "y" in nnet.component_of(c.source).NEEDS


def _shared(
    nnet: Nnet, group: Sequence[str], written: Mapping[str, tuple[str, slice]], lowering: Lowering
) -> set[str]:
    """Nodes whose x holds the y of another one that backward, or a node outside the group, reads."""
    outside = nnet.nodes.keys() - set(group)
    read = {lowering.resolve(source)[0] for name in outside for source in nnet.sources(name)}
    return {
        reader
        for source, (reader, _) in written.items()
        if source in read or "y" in nnet.component_of(source).NEEDS
    }


def _within(turns: Sequence[Turn]) -> frozenset[str]:
    """The nodes of which no turn reads rows of more than one turn."""
    found: dict[str, list[slice]] = {turn.node: [] for turn in turns}
    for turn in turns:
        found[turn.node].append(turn.rows)
    across = {
        c.source
        for turn in turns
        for c in turn.copies
        if not isinstance(c.src, slice) or rows_around(c.src, found[c.source]) is None
    }
    return frozenset(found.keys() - across)


def _check_component(nnet: Nnet, name: str, group: Sequence[str]) -> None:
    component = nnet.component_of(name)
    if not same_frames(component):
        raise ValueError(
            f"component-node {name} lies in the cycle of nodes {', '.join(group)}, but {component.TYPE} "
            "reads other frames than it computes; put the offsets into its descriptor instead"
        )


def _delays(inner: Mapping[str, Sequence[Move]]) -> dict[tuple[str, str], set[int]]:
    """For each (reader, source) the differences (frame read - frame computed)."""
    found: dict[tuple[str, str], set[int]] = {}
    for reader, moves in inner.items():
        for move in moves:
            differences = {at - to for at, to in zip(move.read.at, move.read.to)}
            found.setdefault((reader, move.source), set()).update(differences)
    return found


def _turns(
    order: Blocks,
    frames: Mapping[str, Sequence[int]],
    inner: Mapping[str, Sequence[Move]],
    lowering: Lowering,
) -> list[Turn]:
    turns = []
    for first, last in order.spans:
        for name in order.order:
            t = frames[name]
            i, j = bisect_left(t, first), bisect_right(t, last)
            if i < j:
                parts = (move.restricted(i, j) for move in inner[name])
                copies = tuple(lowering.copy(part) for part in parts if part)
                turns.append(Turn(name, slice(i, j), copies, tuple(t[i:j])))
    return turns


def _written(
    inner: Mapping[str, Sequence[Move]],
    views: Mapping[str, Copy],
    frames: Mapping[str, Sequence[int]],
    lowering: Lowering,
) -> dict[str, tuple[str, slice]]:
    """Nodes that can write into columns, theirs alone, of the x of their only reader in the group."""
    found: dict[str, tuple[str, slice]] = {}
    sources = [move.source for moves in inner.values() for move in moves]
    for reader, moves in inner.items():
        columns = [move.columns for move in moves]
        for move in moves:
            c = lowering.copy(move)
            plain = c.whole and c.dst == slice(0, len(frames[reader]), 1) and c.scale == 1.0 and not c.add
            alone = sources.count(c.source) == 1 and columns.count(c.columns) == 1
            if plain and alone and reader not in views:
                found[c.source] = reader, c.columns
    return found

"""Recurrent groups backwards: turn by turn in reverse, then one update of each node over all its frames."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nnet.aside import Work, at_once
from nnet.backend import Array, array_module
from nnet.component import Component, Updatable
from nnet.frames import rows_around
from nnet.graph.copying import Gradients, add_back
from nnet.graph.limits import Times, inside, is_all, part_of, rows_of
from nnet.graph.network import Nnet
from nnet.graph.steps import Copy, Recurrence, Turn
from nnet.graph.turns import change_of, in_place, learn

if TYPE_CHECKING:
    from nnet.graph.run import Activations


@dataclass(frozen=True)
class Group:
    """A recurrence, by node what collects its changes, and the rows whose derivatives are wanted."""

    nnet: Nnet
    step: Recurrence
    acts: Activations
    changes: Mapping[str, Any]
    kept: Mapping[str, slice]

    def component(self, name: str) -> Component:
        """That of a node."""
        return self.nnet.component_of(name)

    @property
    def limited(self) -> bool:
        """Whether some rows are left out."""
        return not all(is_all(rows, self.step.frames[name]) for name, rows in self.kept.items())

    def collects(self, name: str) -> bool:
        """Whether there is anything that a node may learn from, and something that collects it."""
        return self.changes[name] is not None and self.kept[name].start < self.kept[name].stop


def backward(
    nnet: Nnet,
    step: Recurrence,
    acts: Activations,
    grads: Gradients,
    delta: Mapping[str, Component] | None,
    wants: Collection[str],
    deriv_times: Times | None,
    later: Callable[[Work], None],
) -> None:
    """Derivatives turn by turn in reverse, then one update, `later`, for each node over all its frames.

    With `deriv_times` only over the frames in that range: the turns of others are left out.
    """
    arrived = [dy for name in step.nodes if (dy := grads.get(name)) is not None]
    if step.nodes[0] not in wants or not arrived:
        return
    changes = {name: change_of(nnet, name, delta) for name in step.nodes}
    kept = {name: inside(step.frames[name], deriv_times) for name in step.nodes}
    group = Group(nnet, step, acts, changes, kept)
    outside = {name: [c for c in g.copies if c.source in wants] for name, g in step.gathers.items()}
    dys = Derivatives(group, grads, arrived[0])
    dxs = {name: _room(group, name, arrived[0]) for name in step.nodes if outside[name]}
    _count(group)
    _turns_back(group, dys, dxs)
    for name in step.nodes:
        grads.pop(name)
        for c in outside[name]:
            grads.add(c, dxs[name])
        work = _learning(group, name, dys.whole.pop(name, None))
        (later if name in acts.plan.alone else at_once)(work)


def _room(group: Group, name: str, like: Array) -> Array:
    """Where the derivative by the input of a node goes."""
    xp, T = array_module(like), len(group.step.frames[name])
    shape = T, group.acts.n, group.step.gathers[name].dim
    return xp.zeros(shape, like.dtype) if group.limited else xp.empty(shape, like.dtype)


class Derivatives:
    """Derivatives by the outputs of the nodes of a group.

    Those of nodes that were overwritten by the one that read them are `lying` where y lay once that one has
    run. Those that pass are held from the first turn that adds to them until the turn that they belong to, so
    that they are read in a cache (two LSTMs of 256 cells, 64 sequences: 8 MB less were alive while one
    went back). All others are `whole`.
    """

    def __init__(self, group: Group, grads: Gradients, like: Array):
        self.lying = {
            name: group.acts.memo[reader][..., columns]
            for name, (reader, columns) in group.step.written.items()
            if in_place(group.component(reader), reader, group.step, group.acts)
            and group.component(name).TAKES_COLUMNS
        }
        self.like, self.shapes = like, grads.shapes
        self.turns: dict[str, list[slice]] = {name: [] for name in self._passing(group, grads)}
        for turn in group.step.turns:
            if turn.node in self.turns:
                self.turns[turn.node].append(turn.rows)
        self.held: dict[tuple[str, int], Array] = {}  # by node and first row of a turn
        self.whole = dict(self.lying)
        for name in group.step.nodes:
            if name not in self.turns and name not in self.lying:
                self.whole[name] = grads.owned(name, like)

    def _passing(self, group: Group, grads: Gradients) -> list[str]:
        """Nodes whose derivatives are wanted for a turn only; none on a device: it would be more launches."""
        names = group.step.within - self.lying.keys() if array_module(self.like) is np else ()
        return [name for name in names if grads.get(name) is None and not _learns_whole(group, name)]

    def add(self, c: Copy, dx: Array) -> None:
        """Take back through a copy of a turn what arrives in dx."""
        if c.source in self.turns:
            assert isinstance(c.src, slice)
            rows = rows_around(c.src, self.turns[c.source])
            assert rows is not None
            moved = slice(c.src.start - rows.start, c.src.stop - rows.start, c.src.step)
            add_back(replace(c, src=moved), dx, self._of(c.source, rows))
        elif c.source not in self.lying:
            add_back(c, dx, self.whole[c.source])

    def take(self, turn: Turn, rows: slice) -> Array:
        """What has come for these rows of a turn; those that pass are forgotten here."""
        if turn.node not in self.turns:
            return self.whole[turn.node][rows]
        start = turn.rows.start
        dy = self._of(turn.node, turn.rows)
        del self.held[turn.node, start]
        return dy[rows.start - start : rows.stop - start]

    def _of(self, name: str, rows: slice) -> Array:
        if (name, rows.start) not in self.held:
            shape = rows.stop - rows.start, *self.shapes[name][1:]
            self.held[name, rows.start] = array_module(self.like).zeros(shape, self.like.dtype)
        return self.held[name, rows.start]


def _learns_whole(group: Group, name: str) -> bool:
    """Whether a node looks at the derivatives by its outputs when all of them are there."""
    component = group.component(name)
    trained = isinstance(component, Updatable) and not in_place(component, name, group.step, group.acts)
    return trained or type(component).store_backward_stats is not Component.store_backward_stats


def _count(group: Group) -> None:
    """Statistics of what is going to be overwritten."""
    for name, change in group.changes.items():
        component = group.component(name)
        if not group.collects(name) or not in_place(component, name, group.step, group.acts):
            continue
        if component.learning_rate != 0:
            component.count_in(change, group.acts.memo[name][group.kept[name]])


def _learning(group: Group, name: str, dy: Array | None) -> Work:
    """The work that collects what a node learns from all its rows that are kept, if anything."""
    if not group.collects(name):
        return _nothing
    component, change, rows, acts = group.component(name), group.changes[name], group.kept[name], group.acts
    memo, y = rows_of(acts.memo[name], rows), kept_rows(acts.y.get(name), rows)
    if in_place(component, name, group.step, acts):
        assert y is not None
        return partial(component.update_in, change, memo, y) if component.learning_rate != 0 else _nothing
    if dy is None:
        return _nothing
    x, io = kept_rows(acts.x.get(name), rows), part_of(acts.io[name], rows)
    return partial(learn, component, change, dy[rows], x, y, memo, io)


def _nothing() -> None:
    pass


def _turns_back(group: Group, dys: Derivatives, dxs: Mapping[str, Array]) -> None:
    """Complete the derivatives by the outputs of the group; fill those by its inputs."""
    step, acts = group.step, group.acts
    for turn, io in zip(reversed(step.turns), reversed(acts.turn_ios[step.nodes[0]])):
        name, rows, kept = turn.node, turn.rows, group.kept[turn.node]
        first, last = max(rows.start, kept.start), min(rows.stop, kept.stop)
        if first >= last:
            continue
        part = slice(first - rows.start, last - rows.start)
        if whole := is_all(part, turn.frames):
            rows_in = rows
        else:
            rows_in, io = slice(first, last), part_of(io, part)  # noqa: PLW2901
        component, dy = group.component(name), dys.take(turn, rows_in)
        memo = rows_of(acts.memo[name], rows_in)
        if in_place(component, name, step, acts):
            component.backward_in(dy, memo, group.changes[name])
            dx = memo[..., : component.input_dim]
        else:
            x, y = kept_rows(acts.x.get(name), rows_in), kept_rows(acts.y.get(name), rows_in)
            dx = component.backward(dy, x, y, memo, io, group.changes[name])
        if name in dxs:
            dxs[name][rows_in] = dx
        if turn.copies and not whole:
            dx = _among_zeros(dx, part, len(turn.frames))
        for c in turn.copies:
            dys.add(c, dx)


def kept_rows(x: Array | None, rows: slice) -> Array | None:
    """x[rows]; None if x is no longer there."""
    return None if x is None else x[rows]


def _among_zeros(dx: Array, part: slice, rows: int) -> Array:
    """dx as rows `part` of an array of `rows` rows that is zero elsewhere."""
    whole = array_module(dx).zeros((rows, *dx.shape[1:]), dx.dtype)
    whole[part] = dx
    return whole

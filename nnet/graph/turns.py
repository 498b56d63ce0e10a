"""Recurrent groups forwards, node after node on small blocks of frames; what a node of any kind learns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

from nnet.backend import Array, array_module
from nnet.component import Component, Io, Updatable
from nnet.graph.copying import fill, run_copies
from nnet.graph.network import Nnet
from nnet.graph.steps import Recurrence, Turn
from nnet.in_place import InPlace

if TYPE_CHECKING:
    from nnet.graph.run import Activations


def forward(nnet: Nnet, step: Recurrence, acts: Activations, like: Array, index: Mapping[str, int]) -> None:
    """Fill x and y of all nodes of the group, and memos if they are kept, turn by turn."""
    _allocate(nnet, step, acts, like)
    ios = [Io(t.frames, t.frames, acts.n, (acts.seed, index[t.node], t.rows.start)) for t in step.turns]
    components = {name: nnet.component_of(name) for name in step.nodes}
    for turn, io in zip(step.turns, ios):
        name, component = turn.node, components[turn.node]
        x = _input(component, turn, acts, like)
        if name not in step.views:
            run_copies((c for c in turn.copies if c.source not in step.written), x, acts.y)
        if in_place(component, name, step, acts):
            component.forward_in(acts.memo[name][turn.rows], acts.y[name][turn.rows])
            continue
        acts.y[name][turn.rows], memo = component.forward(x, io)
        if acts.keeps_memos:
            rows = turn.rows, len(step.frames[name])
            acts.memo[name] = placed(name, acts.memo.get(name), memo, *rows)
    acts.turn_ios[step.nodes[0]] = ios
    for name, frames in step.frames.items():
        acts.io[name] = Io(frames, frames, acts.n, (acts.seed, index[name]))


def _input(component: Component, turn: Turn, acts: Activations, like: Array) -> Array:
    """The rows of x of a turn, to be filled where x is not kept."""
    if turn.node in acts.x:
        return acts.x[turn.node][turn.rows]
    return array_module(like).empty((len(turn.frames), acts.n, component.input_dim), like.dtype)


def _allocate(nnet: Nnet, step: Recurrence, acts: Activations, like: Array) -> None:
    """Room for x and y of all nodes, with everything in x that comes from outside the group.

    What is kept for backward comes first, so that what is not leaves no gaps in memory. That, and inputs
    held for a turn, made 139 to 143 MB of the 144 to 146 of an LSTM job.
    """
    xp = array_module(like)
    components = {name: nnet.component_of(name) for name in step.nodes}
    for name, g in step.gathers.items():
        if name not in step.views and not _passes(components[name], name, step, acts):
            acts.x[name] = _room_for_x(components[name], name, step, acts, like)
            fill(acts.x[name], g)
            run_copies(g.copies, acts.x[name], acts.y)
    for name in sorted(step.nodes, key=lambda name: "y" not in components[name].NEEDS):
        if name not in step.written:
            acts.y[name] = xp.empty((len(step.frames[name]), acts.n, components[name].output_dim), like.dtype)
    for name, view in step.views.items():
        acts.x[name] = acts.y[view.source][view.src, :, view.source_columns]
    for name, (reader, columns) in step.written.items():
        acts.y[name] = acts.x[reader][:, :, columns]


def _passes(component: Component, name: str, step: Recurrence, acts: Activations) -> bool:
    """Whether x of a node is wanted for a turn only: it is copied in turns, and nobody reads it later."""
    g, readers = step.gathers[name], {reader for reader, _ in step.written.values()}
    copied = not g.copies and not g.fills and name not in step.views and name not in readers
    return copied and "x" not in component.NEEDS and not acts.keeps_all


def in_place(component: Component, name: str, step: Recurrence, acts: Activations) -> TypeGuard[InPlace]:
    """Whether a node of the group is computed where its input lies: that input is read by nobody else."""
    return isinstance(component, InPlace) and name in step.alone and not acts.keeps_all


def _room_for_x(component: Component, name: str, step: Recurrence, acts: Activations, like: Array) -> Array:
    xp, (T, D) = array_module(like), (len(step.frames[name]), step.gathers[name].dim)
    if not in_place(component, name, step, acts):
        return xp.empty((T, acts.n, D), like.dtype)
    acts.memo[name] = xp.empty((T, acts.n, D + component.extra_dim), like.dtype)
    return acts.memo[name][..., :D]


def change_of(nnet: Nnet, name: str, delta: Mapping[str, Component] | None) -> Any:
    """The component that collects what a node's component learns, or None without `delta`.

    That of `delta` if it has parameters; else the component itself, whose backward statistics thus escape
    momentum and max-change (Kaldi: NnetComputer's nnet_to_store_stats).
    """
    component = nnet.component_of(name)
    if delta is None or not isinstance(component, Updatable):
        return None if delta is None else component
    return delta.get(nnet.nodes[name].component)  # type: ignore[union-attr]


def learns(nnet: Nnet, name: str, delta: Mapping[str, Component] | None) -> bool:
    """Whether the component of node `name` has parameters that are to change."""
    component = nnet.component_of(name)
    trained = isinstance(component, Updatable) and component.learning_rate != 0
    return trained and change_of(nnet, name, delta) is not None


def learn(component: Component, change: Any, dy: Array, x: Array, y: Array, memo: Any, io: Io) -> None:
    """Add a node's change to `change`, and let that collect its statistics of dy."""
    change.store_backward_stats(dy, io)
    if isinstance(component, Updatable) and component.learning_rate != 0:
        component.update(change, dy, x, y, memo, io)


def placed(name: str, held: Any, memo: Any, rows: slice, T: int) -> Any:
    """The memo of all T rows, `held` with the `memo` of some rows in its place; room is made for the first.

    Memos are None, arrays with time first, or tuples of these. To join them at the end instead would copy as
    much and need them twice, 13 MB for an LSTM of 256 cells.
    """
    if memo is None or rows == slice(0, T):
        return memo
    if isinstance(memo, tuple):
        before = held or [None] * len(memo)
        return tuple(placed(name, one, part, rows, T) for one, part in zip(before, memo))
    if getattr(memo, "ndim", 0) > 0:
        if held is None:
            held = array_module(memo).empty((T, *memo.shape[1:]), memo.dtype)
        held[rows] = memo
        return held
    raise ValueError(
        f"component-node {name} lies in a cycle, where its component cannot be run in blocks of frames "
        f"(its memo is a {type(memo).__name__}); batch-norm, for one, must be in test mode there"
    )

"""A plan carried out: forward over its steps, backward over the same steps in reverse."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from typing import Any

import numpy as np

from nnet.aside import Work, aside, at_once
from nnet.backend import Array, array_module
from nnet.columns import Columns
from nnet.component import Component, Io
from nnet.graph import turns, turns_back
from nnet.graph.copying import Gradients, gather, spliced
from nnet.graph.limits import Times, inside, is_all, part_of, zeroed
from nnet.graph.network import Nnet
from nnet.graph.plan import Plan
from nnet.graph.reads import same_frames
from nnet.graph.steps import Apply, Output, Step, members
from nnet.graph.wanted import check_derivs, check_inputs, wanted


class Keep(Enum):
    """What a forward pass leaves behind.

    FOR_BACKWARD: what statistics and one backward pass read, which frees it as it goes. Measured on the
    networks of the benchmarks, ALL takes half as much memory again.
    """

    ALL = "every array"
    FOR_BACKWARD = "what NEEDS of the components names"
    OUTPUTS = "the requested outputs"


@dataclass
class Activations:
    """What a forward pass leaves: for each node its input x, output y (both (T, N, D)), memo and Io.

    In a recurrence every turn has an Io of its own too: `turn_ios` lists them by the first node.
    """

    plan: Plan
    n: int
    seed: int
    keep: Keep = Keep.ALL
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)  # of every y, freed or not
    x: dict[str, Array] = field(default_factory=dict)
    y: dict[str, Array] = field(default_factory=dict)
    memo: dict[str, Any] = field(default_factory=dict)
    io: dict[str, Io] = field(default_factory=dict)
    turn_ios: dict[str, list[Io]] = field(default_factory=dict)
    outputs: dict[str, Array] = field(default_factory=dict)

    @property
    def keeps_memos(self) -> bool:
        """Whether a backward pass may follow."""
        return self.keep is not Keep.OUTPUTS

    @property
    def keeps_all(self) -> bool:
        """Whether everything is to be as it was when it was computed."""
        return self.keep is Keep.ALL

    def output(self, name: str = "output") -> Array:
        """The requested frames of an output, (T, N, D). To be read only: it may share memory with a node."""
        if name not in self.outputs:
            raise ValueError(f"output {name} was not requested, only {', '.join(self.outputs)}")
        return self.outputs[name]


def forward(
    nnet: Nnet,
    plan: Plan,
    inputs: Mapping[str, Array],
    seed: int = 0,
    keep: Keep = Keep.ALL,
) -> Activations:
    """Compute the outputs of `plan` from inputs (T, N, D), T being the frames of the plan's request.

    The same `seed` gives the same random numbers (dropout masks). Arrays that `keep` does not name are freed
    when last read; after Keep.OUTPUTS neither `backward` nor `store_stats` can follow.
    Raises ValueError if an input is missing or has the wrong shape.
    """
    acts = Activations(plan, check_inputs(nnet, plan, inputs), seed, keep)
    acts.y.update((name, inputs[name]) for name in plan.request.inputs)
    acts.shapes.update((name, inputs[name].shape) for name in plan.request.inputs)
    like = next(iter(inputs.values()))
    index = {name: i for i, name in enumerate(nnet.nodes)}
    for step, done in zip(plan.steps, plan.readers_done):
        if isinstance(step, Output):
            acts.outputs[step.node] = gather(step.gather, len(step.t_out), acts.y, like)
        elif isinstance(step, Apply):
            acts.io[step.node] = Io(step.t_in, step.t_out, acts.n, (seed, index[step.node]))
            if step.node in acts.memo or (keep is Keep.FOR_BACKWARD and _clip(nnet, step, acts, like)):
                pass  # done with those before or after it
            else:
                _apply(nnet.component_of(step.node), step, acts, like)
        else:
            turns.forward(nnet, step, acts, like, index)
        _note_shapes(step, acts)
        if keep is Keep.OUTPUTS:
            _forget(step, done, acts)
        elif keep is Keep.FOR_BACKWARD:
            _forget_needless(nnet, step, done, acts)
    return acts


def _input(component: Component, step: Apply, acts: Activations, like: Array) -> Any:
    """x of a step: an array, or Columns where the component SPLICES and nobody else looks at it."""
    views = spliced(step.gather, acts.y) if component.SPLICES and acts.keep is not Keep.ALL else None
    return gather(step.gather, len(step.t_in), acts.y, like) if views is None else views


def _apply(component: Component, step: Apply, acts: Activations, like: Array) -> None:
    name = step.node
    x = _input(component, step, acts, like)
    y, memo = component.forward(x, acts.io[name])
    acts.x[name], acts.y[name], acts.memo[name] = x, y, memo


def _clip(nnet: Nnet, step: Apply, acts: Activations, like: Array) -> bool:
    """Apply a node with the ReLU and the normalisation that follow it, if they can be; see `clipped`."""
    relu, norm = acts.plan.clipped.get(step.node, (step, step))
    first, last, io = nnet.component_of(step.node), nnet.component_of(norm.node), acts.io[step.node]
    if norm is step or not last.takes_clipped:
        return False
    x = _input(first, step, acts, like)
    unbiased = first.forward_unbiased(x, io)
    if unbiased is None:
        return False
    clipped, b = unbiased
    y, memo = last.forward_clipped(clipped, b, replace(io, t_in=io.t_out))
    acts.x |= {step.node: x, relu.node: clipped, norm.node: clipped}
    acts.y |= {step.node: clipped, relu.node: clipped, norm.node: y}
    acts.memo |= {step.node: None, relu.node: None, norm.node: memo}
    return True


def _note_shapes(step: Step, acts: Activations) -> None:
    for name in () if isinstance(step, Output) else members(step):
        acts.shapes[name] = acts.y[name].shape


def _forget_needless(nnet: Nnet, step: Step, done: Collection[str], acts: Activations) -> None:
    """Free what no backward pass reads: an array goes when no x or y that is kept is a view of it."""
    for name in () if isinstance(step, Output) else members(step):
        if "x" not in nnet.component_of(name).NEEDS:
            acts.x.pop(name, None)
    for name in done:
        if name in acts.io and "y" not in nnet.component_of(name).NEEDS:  # an input has none
            acts.y.pop(name)


def _forget(step: Step, done: Collection[str], acts: Activations) -> None:
    for name in members(step):
        acts.x.pop(name, None)
        acts.memo.pop(name, None)
    acts.turn_ios.pop(members(step)[0], None)
    for name in done:
        acts.y.pop(name, None)


def backward(
    nnet: Nnet,
    plan: Plan,
    acts: Activations,
    output_derivs: dict[str, Array],
    delta: Mapping[str, Component] | None = None,
    want_input_derivs: Collection[str] = (),
    deriv_times: Times | None = None,
) -> dict[str, Array]:
    """Derivatives of the objective by the inputs named in `want_input_derivs`, from those by outputs.

    With `delta` (components by name, as zeros_like makes them) every updatable component adds its change to
    its namesake there, once for all frames; components of learning rate 0 do not. What no such component and
    no wanted input needs is not computed. With `deriv_times` (first, last) derivatives by the output of any
    node at other frames count as zero. Activations kept FOR_BACKWARD are gone afterwards, and the entries of
    `output_derivs` with them, whose arrays are overwritten.
    Raises ValueError for a derivative of the wrong shape.
    """
    wants = wanted(nnet, plan, delta, want_input_derivs)
    check_derivs(acts, output_derivs)
    grads = Gradients(acts.shapes)
    on_host = all(array_module(dy) is np for dy in output_derivs.values())
    with aside(delta is not None and on_host) as later:
        for step in reversed(plan.steps):
            if isinstance(step, Output):
                _output_back(step, acts, output_derivs, grads, wants, deriv_times)
                if acts.keep is Keep.FOR_BACKWARD:
                    acts.outputs.pop(step.node)
                    output_derivs.pop(step.node, None)
            elif isinstance(step, Apply):
                _apply_back(nnet, step, acts, grads, delta, wants, deriv_times, later)
            else:
                turns_back.backward(nnet, step, acts, grads, delta, wants, deriv_times, later)
            if acts.keep is Keep.FOR_BACKWARD:
                _forget(step, members(step), acts)
    held = {name: grads.get(name) for name in want_input_derivs}
    return {
        name: acts.y[name] * 0 if dx is None else _limited(dx, plan.request.inputs[name], deriv_times)
        for name, dx in held.items()
    }


def _output_back(
    step: Output,
    acts: Activations,
    output_derivs: Mapping[str, Array],
    grads: Gradients,
    wants: Collection[str],
    deriv_times: Times | None,
) -> None:
    if step.node in output_derivs:
        dy = _limited(output_derivs[step.node], step.t_out, deriv_times)
        for c in step.gather.copies:
            if c.source in wants:
                grads.add(c, dy, acts.keep is Keep.FOR_BACKWARD and len(step.gather.copies) == 1)


def _limited(dy: Array, frames: Sequence[int], deriv_times: Times | None) -> Array:
    rows = inside(frames, deriv_times)
    return dy if is_all(rows, frames) else zeroed(dy, rows)


def _apply_back(
    nnet: Nnet,
    step: Apply,
    acts: Activations,
    grads: Gradients,
    delta: Mapping[str, Component] | None,
    wants: Collection[str],
    deriv_times: Times | None,
    later: Callable[[Work], None],
) -> None:
    name = step.node
    (dy, own), dx = grads.pop(name), None
    rows = inside(step.t_out, deriv_times)
    if dy is None or rows.start >= rows.stop:
        return
    component, change = nnet.component_of(name), turns.change_of(nnet, name, delta)
    x, y, memo, io = acts.x.get(name), acts.y.get(name), acts.memo[name], acts.io[name]
    part = not is_all(rows, step.t_out) and memo is None and same_frames(component)
    if part and isinstance(x, Columns):
        x = x.dense().reshape(len(step.t_in), acts.n, -1)
    if part:
        dy, x, y, io = dy[rows], *(a if a is None else a[rows] for a in (x, y)), part_of(io, rows)
    else:
        dy = _limited(dy, step.t_out, deriv_times)
    sources = [c for c in step.gather.copies if c.source in wants]
    overwrite = component.OVERWRITES and own and not part and bool(sources)
    if overwrite and change is not None:
        turns.learn(component, change, dy, x, y, memo, io)
    if isinstance(x, Columns):
        for c in sources:
            component.add_back(dy, c.columns, *grads.room(c, dy))
    elif sources:
        how = {"out": dy} if overwrite else {}
        dx = component.backward(dy, x, y, memo, io, change, **how)
        dx = _spread(dx, len(step.t_in), rows) if part else _limited(dx, step.t_in, deriv_times)
        free = len(sources) == 1 and (overwrite or not array_module(dx).may_share_memory(dx, dy))
        for c in sources:
            grads.add(c, dx, free)
    if change is not None and not overwrite:
        work = partial(turns.learn, component, change, dy, x, y, memo, io)
        beside = name in acts.plan.alone and (dx is None or not np.may_share_memory(dx, dy))
        (later if beside else at_once)(work)


def _spread(dx: Array, T: int, rows: slice) -> Array:
    """T rows, those of dx in `rows` and zero elsewhere."""
    whole = array_module(dx).zeros((T, *dx.shape[1:]), dx.dtype)
    whole[rows] = dx
    return whole

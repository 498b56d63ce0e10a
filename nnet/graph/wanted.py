"""What a pass over a plan is asked for: which derivatives are needed, whether arrays are as they must be."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from nnet.backend import Array
from nnet.component import Component
from nnet.graph import turns
from nnet.graph.copying import check_input
from nnet.graph.network import Nnet
from nnet.graph.plan import Plan
from nnet.graph.steps import Apply, Recurrence

if TYPE_CHECKING:
    from nnet.graph.run import Activations


def wanted(
    nnet: Nnet, plan: Plan, delta: Mapping[str, Component] | None, want_input_derivs: Collection[str]
) -> set[str]:
    """The nodes whose derivative is needed: inputs asked for, components that learn, and what reads these."""
    wants = set(want_input_derivs)
    if unknown := wants - set(plan.request.inputs):
        raise ValueError(
            f"derivatives by {', '.join(sorted(unknown))} are wanted, which the plan is not given"
        )
    for step in plan.steps:
        if isinstance(step, Apply):
            learns = turns.learns(nnet, step.node, delta)
            if learns or any(c.source in wants for c in step.gather.copies):
                wants.add(step.node)
        elif isinstance(step, Recurrence):
            sources = (c.source for g in step.gathers.values() for c in g.copies)
            if any(s in wants for s in sources) or any(turns.learns(nnet, n, delta) for n in step.nodes):
                wants.update(step.nodes)
    return wants


def check_inputs(nnet: Nnet, plan: Plan, inputs: Mapping[str, Array]) -> int:
    """The number of sequences, after the checks that `forward` promises."""
    for name, frames in plan.request.inputs.items():
        if name not in inputs:
            raise ValueError(f"the input {name} is missing; there is only {', '.join(inputs) or 'nothing'}")
        check_input(name, inputs[name], len(frames), nnet.dim(name))
    sizes = {name: inputs[name].shape[1] for name in plan.request.inputs}
    if len(set(sizes.values())) != 1:
        raise ValueError(f"inputs of one minibatch have different numbers of sequences: {sizes}")
    return int(next(iter(sizes.values())))


def check_derivs(acts: Activations, output_derivs: Mapping[str, Array]) -> None:
    """Raise ValueError if a derivative has another shape than its output, which must be there."""
    for name, dy in output_derivs.items():
        y = acts.output(name)
        if dy.shape != y.shape:
            raise ValueError(f"the derivative by {name} has shape {dy.shape}, the output {y.shape}")

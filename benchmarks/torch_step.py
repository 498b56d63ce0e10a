"""The same network on the same frames in PyTorch, eager, plain SGD: our plan carried out with torch
operations.

Serves feed-forward networks of affine, linear, TDNN, ReLU, batch-norm, dropout and log-softmax components.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from nnet.component import Component, Io, params
from nnet.examples.stream import read_minibatches
from nnet.formats.model import read_nnet, write_nnet
from nnet.graph.network import Nnet
from nnet.graph.plan import Plan, PlanCache, Request
from nnet.graph.steps import Apply, Gather, Output
from nnet.minibatch import Minibatch, SparseTarget

RATE = 1e-5


def main() -> None:
    """`torch_step [--compile] MODEL EXAMPLES OUT`: one pass over the examples."""
    model, examples, out = sys.argv[-3:]
    step, nnet = stepper(model, torch.compile(outputs, dynamic=False) if "--compile" in sys.argv else None)
    for batch in read_minibatches(examples, nnet):
        step(batch)
    write_nnet(nnet, out)


def stepper(
    model: str, forward: Callable[..., Any] | None = None
) -> tuple[Callable[[Minibatch], None], Nnet]:
    """A function that trains on a minibatch, and the network; `forward` is what was compiled of `outputs`."""
    nnet = read_nnet(model)
    weights = {name: {k: torch.tensor(a, requires_grad=True) for k, a in params(c).items()}
               for name, c in nnet.components.items()}  # fmt: skip
    flat = [w for ws in weights.values() for w in ws.values()]
    optimizer = torch.optim.SGD(flat, lr=RATE)
    plans = PlanCache(nnet)

    def step(batch: Minibatch) -> None:
        optimizer.zero_grad()
        (-objective(nnet, plans, weights, batch, forward or outputs)).backward()
        optimizer.step()

    return step, nnet


def objective(
    nnet: Nnet, plans: PlanCache, weights: dict[str, Any], batch: Minibatch, forward: Callable[..., Any]
) -> Any:
    """The log-likelihood of the labels, summed; `forward` is `outputs`, or what was compiled of it."""
    target = batch.outputs["output"]
    assert isinstance(target, SparseTarget)
    frames = {name: frames for name, (frames, _) in batch.inputs.items()}
    plan = plans(Request(frames, {"output": target.frames}))
    y = forward(nnet, plan, weights, {name: torch.from_numpy(x) for name, (_, x) in batch.inputs.items()})
    return (y[target.t, target.n, target.column] * torch.from_numpy(target.weight)).sum()


def outputs(
    nnet: Nnet,
    plan: Plan,
    weights: dict[str, Any],
    ys: dict[str, Any],
    rule: Callable[[Component, dict[str, Any], Any, Io], Any] | None = None,
) -> Any:
    """The output (T, N, D), by the steps of the plan; `rule` computes a component if it is not `apply`."""
    n = next(iter(ys.values())).shape[1]
    for step in plan.steps:
        x = gather(step.gather, ys) if isinstance(step, (Apply, Output)) else None
        if isinstance(step, Output):
            return x
        if not isinstance(step, Apply):
            raise ValueError("recurrent networks are not served")
        component = nnet.component_of(step.node)
        name = nnet.nodes[step.node].component  # type: ignore[union-attr]
        ys[step.node] = (rule or apply)(component, weights[name], x, Io(step.t_in, step.t_out, n))
    raise ValueError("the plan has no output")


def gather(g: Gather, ys: dict[str, Any]) -> Any:
    """The input of a node: columns side by side, sums, repeated rows."""
    blocks: dict[int, Any] = {}
    for c in g.copies:
        part = ys[c.source][c.src, :, c.source_columns]
        if isinstance(c.src, np.ndarray):
            part = ys[c.source][torch.from_numpy(c.src)][:, :, c.source_columns]
        part = part if c.scale == 1.0 else part * c.scale
        start = c.columns.start or 0
        blocks[start] = blocks[start] + part if c.add else part
    parts = [blocks[k] for k in sorted(blocks)]
    return parts[0] if len(parts) == 1 else torch.cat(parts, 2)


def apply(c: Component, w: dict[str, Any], x: Any, io: Io) -> Any:
    """One component, as PyTorch users would write it."""
    kind = type(c).__name__
    if kind in ("Affine", "NaturalGradientAffine", "Linear"):
        return torch.nn.functional.linear(x, w["W"], w.get("b"))
    if kind == "Tdnn":
        offsets = c.time_offsets  # type: ignore[attr-defined]
        parts = [x[io.at(o)] for o in offsets]
        return torch.nn.functional.linear(torch.cat(parts, 2), w["W"], w.get("b"))
    if kind == "BatchNorm":
        flat = x.reshape(-1, x.shape[2])
        scale = torch.full((x.shape[2],), float(c.target_rms))  # type: ignore[attr-defined]
        return torch.nn.functional.batch_norm(flat, None, None, scale, None, True, 0.1, 1e-3).reshape(x.shape)
    simple = {"RectifiedLinear": torch.relu, "NoOp": lambda v: v, "GeneralDropout": lambda v: v}
    if kind == "LogSoftmax":
        return torch.log_softmax(x, 2)
    if kind not in simple:
        raise ValueError(f"{kind} is not served")
    return simple[kind](x)


if __name__ == "__main__":
    main()

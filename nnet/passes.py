"""How a pass over a minibatch changes the model: plainly, or as one of the two passes of backstitch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pass:
    """How one forward-backward pass changes the model."""

    max_change_scale: float = 1.0
    step_scale: float = 1.0  # times the delta; negative for the first pass of backstitch
    l2_scale: float = 1.0
    orthonormal: bool = True
    keep_momentum: bool = True
    last: bool = True  # of the passes over this minibatch
    suffix: str = ""


def backstitch(a: float) -> tuple[Pass, Pass]:
    """A step back, of size `a`, and a step forward from there, without a second constraint."""
    back = Pass(max_change_scale=a, step_scale=-a, l2_scale=0.0, keep_momentum=False, last=False)
    on = Pass(1.0 + a, 1.0 + a, 1.0 / (1.0 + a), False, False, suffix="_backstitch")
    return back, on

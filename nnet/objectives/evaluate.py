"""From the outputs of a network and a minibatch's targets to objectives, for training and for scoring."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol

from nnet.backend import Array
from nnet.minibatch import ChainTarget, Minibatch, Target
from nnet.objectives.frame import Value, cross_entropy, linear, quadratic
from nnet.objectives.logits import CROSS_ENTROPY

OBJECTIVES = {"linear": linear, "quadratic": quadratic, CROSS_ENTROPY: cross_entropy}


class Evaluate(Protocol):
    """What a minibatch asks of a network's outputs, and what the outputs are worth."""

    TAKES_LOGITS: ClassVar[bool] = False  # whether outputs may be those of `before_log_softmax`

    def frames(self, batch: Minibatch) -> dict[str, tuple[int, ...]]:
        """The frames of every output that is needed."""
        ...

    def called(self, objective: str) -> str:
        """What the log calls the value of an output that carries `objective`."""
        ...

    def __call__(
        self,
        batch: Minibatch,
        objective_of: Callable[[str], str],
        output: Callable[[str], Array],
        with_derivative: bool = True,
    ) -> dict[str, Value]:
        """Objectives by output. `objective_of(name)`: what the node carries; `output(name)`: (T, N, D)."""
        ...


class PerOutput:
    """Each output with a target of its own, by the objective that its node names."""

    TAKES_LOGITS: ClassVar[bool] = True

    def frames(self, batch: Minibatch) -> dict[str, tuple[int, ...]]:
        """The frames of the targets."""
        return {name: target.frames for name, target in batch.outputs.items()}

    def called(self, objective: str) -> str:
        """A log-likelihood, for outputs that are log probabilities; else an objective."""
        return "log-likelihood" if objective == "linear" else "objective"

    def __call__(
        self,
        batch: Minibatch,
        objective_of: Callable[[str], str],
        output: Callable[[str], Array],
        with_derivative: bool = True,
    ) -> dict[str, Value]:
        """The objectives. Raises ValueError for targets of chain training."""
        return {
            name: OBJECTIVES[objective_of(name)](output(name), frame_target(name, target), with_derivative)
            for name, target in batch.outputs.items()
        }


def frame_target(name: str, target: Target | ChainTarget) -> Target:
    """`target`, which must have labels for every frame. Raises ValueError if it is one of chain training."""
    if isinstance(target, ChainTarget):
        raise ValueError(
            f"'{name}' has the supervision of a chain example where labels of frames are expected"
        )
    return target

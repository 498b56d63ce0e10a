"""LF-MMI for training and scoring: an output, and its branch output-xent trained by the same posteriors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nnet.backend import Array, array_module
from nnet.minibatch import ChainTarget, Minibatch
from nnet.objectives.chain.denominator import DenominatorGraph
from nnet.objectives.chain.objective import ChainOptions, ChainValue, chain_objective
from nnet.objectives.frame import Value


@dataclass
class ChainEvaluate:
    """Objectives of chain minibatches: Kaldi's NnetChainTrainer::ProcessOutputs.

    `training`: weights of derivatives are applied, and output-xent gets a derivative; scoring
    (NnetChainComputeProb) does neither. `warn` is told when a minibatch fails numerically, but not of one on
    a device, where only the objective, -10 per frame, shows it.
    """

    TAKES_LOGITS: ClassVar[bool] = False  # what output-xent is compared with is no list of labels

    graph: DenominatorGraph
    options: ChainOptions = ChainOptions()  # noqa: RUF009 - frozen
    training: bool = True
    warn: Callable[[str], None] = lambda message: None

    def frames(self, batch: Minibatch) -> dict[str, tuple[int, ...]]:
        """The frames of the targets, and the same for the xent branches if they are trained."""
        frames = {}
        for name, target in batch.outputs.items():
            frames[name] = target.frames
            if self.options.xent_regularize != 0.0:
                frames[name + "-xent"] = target.frames
        return frames

    def called(self, objective: str) -> str:
        """A log-probability."""
        return "log-probability"

    def __call__(
        self,
        batch: Minibatch,
        objective_of: Callable[[str], str],
        output: Callable[[str], Array],
        with_derivative: bool = True,
    ) -> dict[str, Value]:
        """Objectives by output, of the xent branches too. Raises ValueError if it is no chain minibatch."""
        values = {}
        for name, target in batch.outputs.items():
            if not isinstance(target, ChainTarget):
                raise ValueError(
                    f"'{name}' has labels of frames where the supervision of a chain example is expected"
                )
            with_xent = self.options.xent_regularize != 0.0
            value = chain_objective(
                self.options, self.graph, target.supervision, output(name), with_derivative, with_xent
            )
            if array_module(value.good) is np and not value.good:
                self.warn(f"The forward-backward of '{name}' failed; its objective is set to -10 per frame.")
            if with_xent:
                values[name + "-xent"] = self._xent(value, target, output(name + "-xent"))
            derivative = self._weighted(value.derivative, target)
            values[name] = Value(value.total, value.weight, derivative, value.l2)
        return values

    def _xent(self, value: ChainValue, target: ChainTarget, output: Array) -> Value:
        """Cross-entropy of the branch with the numerator's posteriors as labels."""
        posterior = value.posterior
        assert posterior is not None
        total = (output * posterior).sum(dtype=np.float64)
        if not self.training:
            return Value(total, value.weight, None)
        posterior *= self.options.xent_regularize
        return Value(total, value.weight, self._weighted(posterior, target))

    def _weighted(self, derivative: Array | None, target: ChainTarget) -> Array | None:
        """The derivative times the example's weights of frames, in place, where that is wanted."""
        wanted = self.training and self.options.apply_deriv_weights
        if derivative is not None and wanted and target.deriv_weights is not None:
            xp = array_module(derivative)
            derivative *= xp.asarray(target.deriv_weights, derivative.dtype)[:, :, None]
        return derivative

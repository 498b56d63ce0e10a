"""Objective and accuracy of a model on examples (Kaldi's NnetComputeProb)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from nnet.graph.network import Nnet
from nnet.graph.plan import PlanCache, Request
from nnet.graph.run import Activations, backward, forward
from nnet.graph.stats import store_stats
from nnet.minibatch import Minibatch
from nnet.objectives import OBJECTIVES
from nnet.objectives.frame import accuracy


@dataclass
class Score:
    """Sums over minibatches for one output; `right` and `weighed` are per class and only filled with
    accuracy.
    """

    objective: str
    total: float = 0.0
    weight: float = 0.0
    right: np.ndarray = field(default_factory=lambda: np.zeros(0))
    weighed: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def average(self) -> float:
        """Objective per unit of weight; -inf if it is not finite, so that such a model never wins."""
        value = self.total / self.weight if self.weight else -np.inf
        return float(value) if np.isfinite(value) else -np.inf

    def accuracy(self) -> float:
        """The fraction of labelled weight that the output gets right."""
        total = float(self.weighed.sum())
        return float(self.right.sum()) / total if total else float("nan")


class Scorer:
    """Accumulates objective, accuracy and, with `delta`, the gradient of the objective over minibatches.

    `store_stats` makes the passes store the components' statistics in the model itself (RecomputeStats).
    """

    def __init__(
        self, nnet: Nnet, compute_accuracy: bool = True, store_stats: bool = False, delta: dict | None = None
    ):
        self.nnet, self.compute_accuracy, self.store_stats, self.delta = (
            nnet,
            compute_accuracy,
            store_stats,
            delta,
        )
        self.plans = PlanCache(nnet)
        self.scores: dict[str, Score] = {}
        self.num_minibatches = 0

    def add(self, batch: Minibatch) -> None:
        """Score one minibatch. Raises ValueError if it does not fit the network."""
        acts = compute(
            self.nnet, self.plans, batch, self.num_minibatches, self.store_stats or self.delta is not None
        )
        derivatives = {}
        for name, target in batch.outputs.items():
            objective = self.nnet.objective_of(name)
            value = OBJECTIVES[objective](acts.output(name), target, self.delta is not None)
            score = self.scores.setdefault(name, Score(objective))
            score.total += value.total
            score.weight += value.weight
            if self.compute_accuracy:
                weighed, right = accuracy(acts.output(name), target)
                score.weighed = score.weighed + weighed if score.weighed.size else weighed
                score.right = score.right + right if score.right.size else right
            if value.derivative is not None:
                derivatives[name] = value.derivative
        if self.store_stats:
            store_stats(self.nnet, acts)
        if self.delta is not None:
            backward(self.nnet, acts.plan, acts, derivatives, self.delta)
        self.num_minibatches += 1

    def lines(self, per_dim: bool = False) -> list[str]:
        """The log lines of nnet3-compute-prob, which Kaldi's report scripts parse."""
        lines = []
        for name, s in self.scores.items():
            what = "log-likelihood" if s.objective == "linear" else "objective"
            value = s.total / s.weight if s.weight else float("nan")
            lines.append(f"Overall {what} for '{name}' is {value:.6g} per frame, over {s.weight:.6g} frames.")
        for name, s in self.scores.items():
            if self.compute_accuracy:
                lines += _accuracy_lines(name, s, per_dim)
        return lines


def compute(nnet: Nnet, plans: PlanCache, batch: Minibatch, seed: int = 0, keep: bool = False) -> Activations:
    """The forward pass of a minibatch for all outputs that it has targets for; `keep` what `backward`
    needs.
    """
    request = Request(
        inputs={name: frames for name, (frames, _) in batch.inputs.items()},
        outputs={name: target.frames for name, target in batch.outputs.items()},
    )
    with np.errstate(over="ignore", invalid="ignore"):  # a score that is not finite is reported as such
        return forward(
            nnet, plans(request), {name: x for name, (_, x) in batch.inputs.items()}, seed, keep=keep
        )


def score(nnet: Nnet, batches: Iterable[Minibatch], compute_accuracy: bool = True) -> dict[str, Score]:
    """Objective (and accuracy) of `nnet` over `batches`, by output name."""
    scorer = Scorer(nnet, compute_accuracy)
    for batch in batches:
        scorer.add(batch)
    return scorer.scores


def _accuracy_lines(name: str, s: Score, per_dim: bool) -> list[str]:
    weight = float(s.weighed.sum())
    lines = [f"Overall accuracy for '{name}' is {s.accuracy():.6g} per frame, over {weight:.6g} frames."]
    if per_dim:
        with np.errstate(invalid="ignore", divide="ignore"):
            classes = np.where(s.weighed != 0, s.right / s.weighed, -1.0)
        text = " ".join(f"{a:.6g}" for a in classes)
        lines.append(
            f"Overall per-dim accuracy vector for '{name}' is [ {text} ] per frame, over {weight:.6g} frames."
        )
    return lines

"""Objective and accuracy of a model on examples (Kaldi's NnetComputeProb)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from nnet.graph.network import Nnet
from nnet.graph.plan import PlanCache, Request
from nnet.graph.run import Activations, Keep, backward, forward
from nnet.graph.stats import store_stats
from nnet.minibatch import Minibatch
from nnet.objectives import Evaluate, PerOutput
from nnet.objectives.evaluate import frame_target
from nnet.objectives.frame import accuracy
from nnet.progress import shown_average


@dataclass
class Score:
    """Sums over minibatches for one output; `right` and `weighed` are per class and only filled with
    accuracy. `extra`: a regularization term that belongs to the objective.
    """

    objective: str
    total: float = 0.0
    extra: float = 0.0
    weight: float = 0.0
    right: np.ndarray = field(default_factory=lambda: np.zeros(0))
    weighed: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def average(self) -> float:
        """Objective per unit of weight; -inf if it is not finite, so that such a model never wins."""
        value = (self.total + self.extra) / self.weight if self.weight else -np.inf
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
        self,
        nnet: Nnet,
        compute_accuracy: bool = True,
        store_stats: bool = False,
        delta: dict | None = None,
        evaluate: Evaluate | None = None,
    ):
        self.evaluate = evaluate or PerOutput()
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
        with_delta = self.delta is not None
        frames, keep = self.evaluate.frames(batch), self.store_stats or with_delta
        acts = compute(self.nnet, self.plans, batch, self.num_minibatches, keep, frames)
        derivatives = {}
        for name, value in self.evaluate(batch, self.nnet.objective_of, acts.output, with_delta).items():
            score = self.scores.setdefault(name, Score(self.nnet.objective_of(name)))
            score.total += value.total
            score.extra += value.extra
            score.weight += value.weight
            if self.compute_accuracy:
                weighed, right = accuracy(acts.output(name), frame_target(name, batch.outputs[name]))
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
            value = shown_average(s.total, s.extra, s.weight)
            lines.append(
                f"Overall {self.evaluate.called(s.objective)} for '{name}' is {value} per frame, "
                f"over {s.weight:.6g} frames."
            )
        for name, s in self.scores.items():
            if self.compute_accuracy:
                lines += _accuracy_lines(name, s, per_dim)
        return lines


def compute(
    nnet: Nnet,
    plans: PlanCache,
    batch: Minibatch,
    seed: int = 0,
    keep: bool = False,
    frames: dict[str, tuple[int, ...]] | None = None,
) -> Activations:
    """The forward pass of a minibatch for all outputs that it has targets for, or for `frames` by output;
    `keep` what `backward` needs.
    """
    request = Request(
        inputs={name: frames for name, (frames, _) in batch.inputs.items()},
        outputs=PerOutput().frames(batch) if frames is None else frames,
    )
    with np.errstate(over="ignore", invalid="ignore"):  # a score that is not finite is reported as such
        return forward(
            nnet,
            plans(request),
            {name: x for name, (_, x) in batch.inputs.items()},
            seed,
            keep=Keep.ALL if keep else Keep.OUTPUTS,
        )


def score(
    nnet: Nnet,
    batches: Iterable[Minibatch],
    compute_accuracy: bool = True,
    evaluate: Evaluate | None = None,
) -> dict[str, Score]:
    """Objective (and accuracy) of `nnet` over `batches`, by output name."""
    scorer = Scorer(nnet, compute_accuracy, evaluate=evaluate)
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

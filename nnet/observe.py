"""What L2 and max-change do during training, component by component: the numbers of the regularization
table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np

from nnet import tree
from nnet.component import Component
from nnet.graph.network import Nnet
from nnet.updates import MaxChangeStats

EVERY = 10  # minibatches between two looks; norms of all parameters cost about what an update costs


@dataclass
class ComponentRecord:
    """Averages of one component over the observed minibatches of a job; norms are Euclidean.

    `sequences` is N, `factor` the l2-regularize-factor: the L2 part of a change is
    -2*N*factor*learning_rate*alpha*w.
    """

    alpha: float
    learning_rate: float
    factor: float
    num_minibatches: int = 0
    sequences: float = 0.0
    l2_norm: float = 0.0
    gradient_norm: float = 0.0
    max_change_cut: float = 0.0  # fraction of minibatches
    param_norm: float = 0.0
    change_norm: float = 0.0


@dataclass
class Observer:
    """Give it to a Trainer and read `records` when it has finished."""

    factor: float
    records: dict[str, ComponentRecord] = field(default_factory=dict)
    calls: int = 0
    looks: int = 0
    start: dict[str, Component] = field(default_factory=dict)

    def begin(self, nnet: Nnet) -> None:
        """Remember the parameters before training, for the norm of their change."""
        self.start = {name: tree.copy(c) for name, c in tree.updatable(nnet.components)}

    @property
    def looks_now(self) -> bool:
        """Whether `observe` is to be called for the next minibatch: for every tenth."""
        return self.calls % EVERY == 0

    def count(self) -> None:
        """One minibatch more."""
        self.calls += 1

    def observe(self, nnet: Nnet, delta: Mapping[str, Component], l2_scale: float) -> None:
        """Take one minibatch's norms. `l2_scale` is N times the factor."""
        self.looks += 1
        for name, c in tree.updatable(nnet.components):
            record = self.records.setdefault(
                name, ComponentRecord(c.l2_regularize, c.learning_rate, self.factor)
            )
            norm = float(np.sqrt(float(tree.sumsq(c))))
            record.sequences += l2_scale / self.factor if self.factor else 0.0
            record.l2_norm += 2.0 * l2_scale * c.learning_rate * c.l2_regularize * norm
            record.gradient_norm += float(np.sqrt(float(tree.sumsq(delta[name]))))

    def finish(self, nnet: Nnet, max_change: MaxChangeStats) -> dict[str, dict[str, float]]:
        """The records as plain numbers, averages taken: what goes into the job's JSON file."""
        for name, c in tree.updatable(nnet.components):
            record = self.records.get(name)
            if record is None:
                continue
            record.num_minibatches = self.calls
            record.sequences /= self.looks
            record.l2_norm /= self.looks
            record.gradient_norm /= self.looks
            record.max_change_cut = max_change.per_component[name] / max(max_change.minibatches, 1)
            record.param_norm = float(np.sqrt(float(tree.sumsq(c))))
            change = tree.copy(c)
            tree.add(change, self.start[name], -1.0)
            record.change_norm = float(np.sqrt(float(tree.sumsq(change))))
        return {name: asdict(record) for name, record in self.records.items()}

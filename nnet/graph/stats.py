"""Statistics of a forward pass, stored once the pass is known to be good."""

from __future__ import annotations

from nnet.graph.network import Nnet
from nnet.graph.run import Activations
from nnet.graph.steps import Output, members


def store_stats(nnet: Nnet, acts: Activations) -> None:
    """Let every component that took part in `acts` accumulate its statistics (Kaldi's StoreStats)."""
    for step in acts.plan.steps:
        for name in () if isinstance(step, Output) else members(step):
            x, y = acts.x.get(name), acts.y.get(name)
            nnet.component_of(name).store_stats(x, y, acts.memo[name], acts.io[name])

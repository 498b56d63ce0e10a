"""Statistics of a forward pass, stored once the pass is known to be good."""

from __future__ import annotations

from nnet.graph import turns
from nnet.graph.network import Nnet
from nnet.graph.run import Activations
from nnet.graph.steps import Apply, Recurrence


def store_stats(nnet: Nnet, acts: Activations) -> None:
    """Let every component that took part in `acts` accumulate its statistics (Kaldi's StoreStats)."""
    for step in acts.plan.steps:
        if isinstance(step, Apply):
            name = step.node
            component = nnet.component_of(name)
            component.store_stats(acts.x.get(name), acts.y.get(name), acts.memo[name], acts.io[name])
        elif isinstance(step, Recurrence):
            memos = acts.turn_memos[step.nodes[0]]
            for name in step.frames:
                memo = turns.join(name, [memos[i] for i in step.turns_of[name]])
                nnet.component_of(name).store_stats(acts.x.get(name), acts.y.get(name), memo, acts.io[name])

"""LDA statistics of what a network makes of training examples (nnet3-acc-lda-stats)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nnet.examples.lda import LdaStats
from nnet.examples.merge import group_examples
from nnet.examples.minibatch import to_minibatch
from nnet.examples.minibatch_size import parse_minibatch_sizes
from nnet.formats.examples import NnetExample
from nnet.graph.network import Nnet
from nnet.graph.plan import PlanCache, Request
from nnet.graph.run import forward
from nnet.minibatch import ChainTarget

TOGETHER = "1:128"  # examples put through the network at once; the statistics do not depend on it


def output_stats(
    nnet: Nnet,
    examples: Iterable[NnetExample],
    rand_prune: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[LdaStats | None, int]:
    """Statistics of node `output` for the classes of the supervision in `output`, and the number of examples.

    Posteriors below `rand_prune` become 0 or `rand_prune` at random. No examples, no statistics (None).
    Raises ValueError if the examples do not fit the network or hold a NaN.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    sizes = parse_minibatch_sizes(TOGETHER)
    plans, stats, count = PlanCache(nnet), None, 0
    for group in group_examples(examples, sizes):
        count += len(group)
        batch = to_minibatch(group, nnet.input_names(), nnet.output_names())
        if "output" not in batch.outputs:
            raise ValueError(f"examples have no supervision named 'output', only {', '.join(batch.outputs)}")
        target = batch.outputs["output"]
        request = Request(
            inputs={name: frames for name, (frames, _) in batch.inputs.items()},
            outputs={"output": target.frames},
        )
        inputs = {name: x for name, (_, x) in batch.inputs.items()}
        acts = forward(nnet, plans(request), inputs, keep=False)
        output = acts.output("output")
        if not np.isfinite(output).all():
            raise ValueError(
                f"among examples {count - len(group) + 1} to {count} is one with a NaN or an infinity"
            )
        if isinstance(target, ChainTarget):
            raise ValueError("LDA statistics need labels of frames; these examples have sequences (LF-MMI)")
        if stats is None:
            stats = LdaStats.zeros(target.dim, output.shape[2])
        stats.add_output(output, target, rand_prune, rng)
    return stats, count

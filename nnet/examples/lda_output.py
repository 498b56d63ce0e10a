"""LDA statistics of what a network makes of training examples (nnet3-acc-lda-stats and its chain sister)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nnet.examples.chain import to_chain_minibatch
from nnet.examples.chain_merge import group_chain_examples, merge_chain_examples
from nnet.examples.lda import LdaStats
from nnet.examples.merge import group_examples
from nnet.examples.minibatch import to_minibatch
from nnet.examples.minibatch_size import parse_minibatch_sizes
from nnet.formats.chain_examples import ChainExample
from nnet.formats.examples import NnetExample
from nnet.graph.network import Nnet
from nnet.graph.plan import PlanCache, Request
from nnet.graph.run import Keep, forward
from nnet.minibatch import ChainTarget, DenseTarget, Minibatch, Target
from nnet.objectives.chain.numerator import numerator

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
    groups = group_examples(examples, parse_minibatch_sizes(TOGETHER))
    inputs, outputs = nnet.input_names(), nnet.output_names()
    batches = ((len(group), to_minibatch(group, inputs, outputs)) for group in groups)
    return _stats(nnet, batches, rand_prune, rng)


def chain_output_stats(
    nnet: Nnet,
    examples: Iterable[ChainExample],
    rand_prune: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[LdaStats | None, int]:
    """The same for chain examples: classes are pdfs, with their posteriors on the paths of the supervision;
    of end-to-end ones its alignment.
    """
    sizes = parse_minibatch_sizes(TOGETHER)
    inputs, outputs = nnet.input_names(), nnet.output_names()
    batches = (
        (len(part), to_chain_minibatch(merge_chain_examples(part, join=False), inputs, outputs))
        for group in group_chain_examples(examples, sizes)
        for part in _mergeable(group)
    )
    return _stats(nnet, batches, rand_prune, rng)


def _mergeable(group: list[ChainExample]) -> list[list[ChainExample]]:
    """The group; end-to-end examples one by one, as they would lose their alignments."""
    return [[eg] for eg in group] if group[0].outputs[0].supervision.end_to_end else [group]


def _stats(
    nnet: Nnet, batches: Iterable[tuple[int, Minibatch]], rand_prune: float, rng: np.random.Generator | None
) -> tuple[LdaStats | None, int]:
    rng = np.random.default_rng(0) if rng is None else rng
    plans, stats, count = PlanCache(nnet), None, 0
    for size, batch in batches:
        count += size
        if "output" not in batch.outputs:
            raise ValueError(f"examples have no supervision named 'output', only {', '.join(batch.outputs)}")
        target = batch.outputs["output"]
        request = Request(
            inputs={name: frames for name, (frames, _) in batch.inputs.items()},
            outputs={"output": target.frames},
        )
        inputs = {name: x for name, (_, x) in batch.inputs.items()}
        acts = forward(nnet, plans(request), inputs, keep=Keep.OUTPUTS)
        output = acts.output("output")
        if not np.isfinite(output).all():
            raise ValueError(f"among examples {count - size + 1} to {count} is one with a NaN or an infinity")
        labels = _posteriors(target) if isinstance(target, ChainTarget) else target
        if stats is None:
            stats = LdaStats.zeros(labels.dim, output.shape[2])
        stats.add_output(output, labels, rand_prune, rng)
    return stats, count


def _posteriors(target: ChainTarget) -> Target:
    """Posteriors of pdfs (T, N, D) under the weights of the supervision alone, or its alignment."""
    s = target.supervision
    shape = (s.frames_per_sequence, s.num_sequences, s.label_dim)
    if not s.end_to_end:
        posterior = numerator(s, np.zeros(shape, np.float32)).posterior
        assert posterior is not None
        return DenseTarget(target.frames, np.asarray(posterior))
    if len(s.alignment_pdfs) != s.num_frames:
        raise ValueError(
            "end-to-end chain examples without an alignment tell nothing about single frames: "
            "no fixed-affine-layer can be estimated from them; delta-layer or batchnorm-component stand in"
        )
    values = np.zeros(shape, np.float32)
    values[np.arange(len(s.alignment_pdfs)), 0, s.alignment_pdfs] = 1.0
    return DenseTarget(target.frames, values)

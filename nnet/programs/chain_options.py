"""Options of every program that computes the chain objective (Kaldi's ChainTrainingOptions)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from nnet.formats.fst import read_fst_file
from nnet.graph.network import Nnet
from nnet.minibatch import Minibatch
from nnet.objectives.chain.denominator import DenominatorGraph
from nnet.objectives.chain.evaluate import ChainEvaluate
from nnet.objectives.chain.objective import ChainOptions
from nnet.programs.program import option


@dataclass
class ChainObjectiveOptions:
    """Options of the chain objective."""

    l2_regularize: float = option(
        0.0, "L2 regularization constant on the chain output of the network (not on its parameters)"
    )
    out_of_range_regularize: float = option(
        0.01, "How much outputs outside the range [-30,30] are penalized; the denominator clips them to it"
    )
    leaky_hmm_coefficient: float = option(
        1.0e-05, "Allows transitions from each state to each other, so that context is forgotten; 0 is off"
    )
    xent_regularize: float = option(
        0.0, "If nonzero, the network has an output 'output-xent' with log-softmax, trained with this weight"
    )
    lwf_scale: float = option(0.0, "Learning without forgetting is not supported: only 0")
    lwf_den_scale: float = option(0.0, "Learning without forgetting is not supported: only 0")
    numerator_graph_threads: int = option(4, "accepted for compatibility; no effect here")


def chain_evaluate(
    options: ChainObjectiveOptions,
    nnet: Nnet,
    den_fst: str,
    training: bool,
    warn: Callable[[str], None],
    apply_deriv_weights: bool = True,
) -> ChainEvaluate:
    """The objective that options and the file `den_fst` describe. Raises ValueError, OSError."""
    if options.lwf_scale != 0.0 or options.lwf_den_scale != 0.0:
        raise ValueError(
            "learning without forgetting (--lwf-scale, --lwf-den-scale) is not supported: give 0"
        )
    if "output" not in nnet.output_names():
        raise ValueError(f"the network has no output named 'output', only {', '.join(nnet.output_names())}")
    chain = ChainOptions(
        options.l2_regularize,
        options.out_of_range_regularize,
        options.leaky_hmm_coefficient,
        options.xent_regularize,
        apply_deriv_weights,
    )
    graph = DenominatorGraph.from_fst(read_fst_file(den_fst), nnet.output_dim("output"))
    return ChainEvaluate(graph, chain, training, warn)


def at_rate(batches: Iterable[Minibatch], den_fst: str, where: str) -> Iterator[Minibatch]:
    """`batches` of the examples `where`, whose outputs lie as many frames of the input apart as the file
    frame_subsampling_factor beside `den_fst` says, where training has left one. Raises ValueError.
    """
    beside = Path(den_fst).parent / "frame_subsampling_factor"
    factor = int(beside.read_text(encoding="ascii")) if beside.is_file() else None
    for batch in batches:
        for name, target in batch.outputs.items():
            step = target.frames[1] - target.frames[0] if len(target.frames) > 1 else factor
            if factor is not None and step != factor:
                raise ValueError(
                    f"{where}: '{name}' has an output every {step} frames, but {beside} says {factor}; were "
                    "the examples made for another model?"
                )
        yield batch


def with_xent(evaluate: ChainEvaluate, nnet: Nnet) -> ChainEvaluate:
    """The same with the outputs -xent too if the network has any: their batch-norm needs statistics."""
    if evaluate.options.xent_regularize != 0.0 or not any("-xent" in name for name in nnet.output_names()):
        return evaluate
    return replace(evaluate, options=replace(evaluate.options, xent_regularize=0.1))

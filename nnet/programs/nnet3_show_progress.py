"""nnet3-show-progress: how far two models lie apart, and what each component's change did to the
objective.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnet import tree
from nnet.combination import add_net, check_finite, check_same_structure, scale_net
from nnet.component import Component
from nnet.examples.stream import read_minibatches
from nnet.formats.model import read_nnet
from nnet.graph.network import Nnet
from nnet.minibatch import Minibatch
from nnet.programs.engine_options import ComputationOptions, stay_on_cpu
from nnet.programs.program import log, option, run_program
from nnet.score import Scorer

PROG = "nnet3-show-progress"
USAGE = """
Given an old and a new raw network, show the differences of parameters per component; given examples too,
show the
objective of the mean of the two networks and which components' changes brought it about (by the derivative).

Usage:  nnet3-show-progress [options] <old-net-in> <new-net-in> [<training-examples-in>]
e.g.:   nnet3-show-progress 70.raw 80.raw ark:heldout.egs
"""


@dataclass
class Options(ComputationOptions):
    """Options of nnet3-show-progress."""

    num_segments: int = option(1, "Line segments between the models on which derivatives are computed")
    compute_accuracy: bool = option(True, "Compute accuracies as well as objective functions")
    compute_per_dim_accuracy: bool = option(False, "Compute accuracies per class")


def main(argv: Sequence[str] | None = None) -> int:
    """Run nnet3-show-progress."""
    return run_program(USAGE, Options, run, (2, 3), argv)


def run(options: Options, old: str, new: str, examples: str = "") -> None:
    """Log the progress from model `old` to model `new`."""
    if options.num_segments < 1:
        raise ValueError(f"--num-segments={options.num_segments} must be at least 1")
    stay_on_cpu(options, PROG)
    a, b = read_nnet(old), read_nnet(new)
    check_finite(a, old)
    check_finite(b, new)
    check_same_structure(a, b, new)
    if examples:
        show_objective(options, a, b, list(read_minibatches(examples, a)))
    difference = a.copy()
    add_net(difference, b, -1.0)
    change, before, after = (norms(n.components) for n in (difference, a, b))
    log(PROG, f"Parameter differences per layer are {per_component(change)}")
    log(PROG, f"Norms of parameter matrices from <new-nnet-in> are {per_component(after)}")
    relative = {name: x / before[name] if before[name] else float("inf") for name, x in change.items()}
    log(PROG, f"Relative parameter differences per layer are {per_component(relative)}")


def show_objective(options: Options, a: Nnet, b: Nnet, batches: Sequence[Minibatch]) -> None:
    """Log the objective between the models, and the change of it that each component's change explains."""
    if not batches:
        raise ValueError("no examples to show the objective of")
    total = dict.fromkeys(norms(a.components), 0.0)
    for segment in range(options.num_segments):
        middle = (segment + 0.5) / options.num_segments
        between = b.copy()
        scale_net(between, middle)
        add_net(between, a, 1.0 - middle)
        gradient = gradient_of(between)
        scorer = Scorer(between, options.compute_accuracy, delta=gradient)
        for batch in batches:
            scorer.add(batch)
        for line in scorer.lines(options.compute_per_dim_accuracy):
            log(PROG, line)
        main_output = scorer.scores.get("output") or next(iter(scorer.scores.values()))
        log(PROG, f"At position {middle:.6g}, objf per frame is {main_output.average():.6g}")
        if not np.isfinite(main_output.average()):
            raise ValueError("the objective is not finite: is there a NaN in the examples?")
        for name, g in tree.updatable(gradient):
            change = tree.dot(g, b.components[name]) - tree.dot(g, a.components[name])
            total[name] += float(change) / main_output.weight / options.num_segments
    log(PROG, f"Total objf change per component is {per_component(total)}")


def gradient_of(nnet: Nnet) -> dict[str, Component]:
    """Zeroed components in which a plain gradient accumulates: no natural gradient, learning rate 1."""
    gradient = tree.zeros_like(nnet.components)
    for _, c in tree.updatable(gradient):
        c.is_gradient, c.learning_rate = True, 1.0
    return gradient


def norms(components: Mapping[str, Component]) -> dict[str, float]:
    """Euclidean norm of the parameters of every updatable component."""
    return {name: float(np.sqrt(float(tree.sumsq(c)))) for name, c in tree.updatable(components)}


def per_component(values: Mapping[str, float]) -> str:
    """`[ tdnn1.affine:0.2 tdnn2.affine:0.3 ]`, as Kaldi's log scripts parse it."""
    return "[ " + "".join(f"{name}:{value:.6g} " for name, value in values.items()) + "]"


if __name__ == "__main__":
    raise SystemExit(main())

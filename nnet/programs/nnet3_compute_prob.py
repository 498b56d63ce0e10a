"""nnet3-compute-prob: objective and accuracy of a model on examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from nnet.combination import check_finite, set_test_modes
from nnet.examples.stream import read_minibatches
from nnet.formats.model import read_nnet
from nnet.programs.engine_options import ComputationOptions, stay_on_cpu
from nnet.programs.program import log, option, run_program
from nnet.score import Scorer

PROG = "nnet3-compute-prob"
USAGE = """
Computes and prints, per frame, the average objective and accuracy of the given examples under the given
model.
With batchnorm-test-mode=true (the default) stored statistics are used; if a model has none, give false.

Usage:  nnet3-compute-prob [options] <raw-model-in> <training-examples-in>
e.g.:   nnet3-compute-prob 80.raw ark:heldout.egs
"""


@dataclass
class Options(ComputationOptions):
    """Options of nnet3-compute-prob."""

    batchnorm_test_mode: bool = option(True, "Use batch-norm's stored statistics")
    dropout_test_mode: bool = option(True, "Switch dropout off")
    collapse_model: bool = option(True, "accepted for compatibility; no effect on results here")
    compute_accuracy: bool = option(True, "Compute accuracies as well as objective functions")
    compute_per_dim_accuracy: bool = option(False, "Compute accuracies per class")


def main(argv: Sequence[str] | None = None) -> int:
    """Run nnet3-compute-prob."""
    return run_program(USAGE, Options, run, (2, 2), argv)


def run(options: Options, model: str, examples: str) -> int:
    """Log the score of `model` on `examples`; ValueError if no frame was scored or it is not finite."""
    stay_on_cpu(options, PROG)
    nnet = set_test_modes(read_nnet(model), options.batchnorm_test_mode, options.dropout_test_mode)
    check_finite(nnet, model)
    scorer = Scorer(nnet, options.compute_accuracy or options.compute_per_dim_accuracy)
    for batch in read_minibatches(examples, nnet):
        scorer.add(batch)
    for line in scorer.lines(options.compute_per_dim_accuracy):
        log(PROG, line)
    if not any(s.weight > 0 for s in scorer.scores.values()):
        raise ValueError(f"{examples}: no labelled frame to score")
    if not all(isfinite(s.total) for s in scorer.scores.values()):
        raise ValueError(f"{examples}: the objective is not finite: is there a NaN in the examples?")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

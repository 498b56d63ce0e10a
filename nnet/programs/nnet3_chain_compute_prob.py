"""nnet3-chain-compute-prob: the LF-MMI objective of a model on chain examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from nnet.combination import check_finite, set_test_modes
from nnet.examples.chain import read_chain_minibatches
from nnet.formats.model import read_nnet
from nnet.programs.chain_options import ChainObjectiveOptions, at_rate, chain_evaluate
from nnet.programs.engine_options import ComputationOptions, stay_on_cpu
from nnet.programs.program import log, option, run_program, warn
from nnet.score import Scorer

PROG = "nnet3-chain-compute-prob"
USAGE = """
Computes and prints the average log-probability per frame (numerator minus denominator) of the given chain
examples under the given model; with --xent-regularize other than zero also that of output-xent.

Usage:  nnet3-chain-compute-prob [options] <raw-model-in> <denominator-fst> <chain-examples-in>
e.g.:   nnet3-chain-compute-prob 80.raw den.fst ark:heldout.cegs
"""


@dataclass
class Options(ChainObjectiveOptions, ComputationOptions):
    """Options of nnet3-chain-compute-prob."""

    batchnorm_test_mode: bool = option(True, "Use batch-norm's stored statistics")
    dropout_test_mode: bool = option(True, "Switch dropout off")
    compute_deriv: bool = option(False, "accepted for compatibility; no derivative is printed")
    compute_accuracy: bool = option(True, "accepted for compatibility; there is no accuracy")
    compute_per_dim_accuracy: bool = option(False, "accepted for compatibility; there is no accuracy")
    store_component_stats: bool = option(False, "accepted for compatibility; the model is not written")


def main(argv: Sequence[str] | None = None) -> int:
    """Run nnet3-chain-compute-prob."""
    return run_program(USAGE, Options, run, (3, 3), argv)


def run(options: Options, model: str, den_fst: str, examples: str) -> int:
    """Log the score of `model` on `examples`; ValueError if no frame was scored or it is not finite."""
    stay_on_cpu(options, PROG)
    nnet = set_test_modes(read_nnet(model), options.batchnorm_test_mode, options.dropout_test_mode)
    check_finite(nnet, model)
    evaluate = chain_evaluate(options, nnet, den_fst, False, lambda m: warn(PROG, m))
    scorer = Scorer(nnet, compute_accuracy=False, evaluate=evaluate)
    for batch in at_rate(read_chain_minibatches(examples, nnet), den_fst, examples):
        scorer.add(batch)
    for line in scorer.lines():
        log(PROG, line)
    if not any(s.weight > 0 for s in scorer.scores.values()):
        raise ValueError(f"{examples}: no frame to score")
    if not all(isfinite(s.total) for s in scorer.scores.values()):
        raise ValueError(f"{examples}: the objective is not finite: is there a NaN in the examples?")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

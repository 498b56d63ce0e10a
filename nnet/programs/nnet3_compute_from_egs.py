"""nnet3-compute-from-egs: the network's output on each example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnet.combination import check_finite
from nnet.examples.minibatch import to_minibatch
from nnet.examples.stream import check_dims
from nnet.formats.examples import EXAMPLE
from nnet.formats.kinds import MATRIX
from nnet.formats.model import read_nnet
from nnet.formats.tables import TableWriter, read_table
from nnet.graph.plan import PlanCache
from nnet.programs.engine_options import ComputationOptions, ModelOutputOptions, stay_on_cpu
from nnet.programs.program import log, option, run_program
from nnet.score import compute

PROG = "nnet3-compute-from-egs"
USAGE = """
Read training examples and compute the network's output for each, in the order of the example's output rows.

Usage:  nnet3-compute-from-egs [options] <raw-nnet-in> <training-examples-in> <matrices-out>
e.g.:   nnet3-compute-from-egs --apply-exp=true 80.raw ark:valid.egs ark:probabilities.ark
"""


@dataclass
class Options(ComputationOptions, ModelOutputOptions):
    """Options of nnet3-compute-from-egs."""

    apply_exp: bool = option(False, "Apply the exponential function to the output")
    output_name: str = option("output", "The output node to compute")


def main(argv: Sequence[str] | None = None) -> int:
    """Run nnet3-compute-from-egs."""
    return run_program(USAGE, Options, run, (3, 3), argv)


def run(options: Options, model: str, examples: str, matrices: str) -> None:
    """Write the output of `model` on each of `examples` to `matrices`."""
    stay_on_cpu(options, PROG)
    nnet = read_nnet(model)
    check_finite(nnet, model)
    plans = PlanCache(nnet)
    inputs, outputs = nnet.input_names(), nnet.output_names()
    count = 0
    with TableWriter(matrices, MATRIX) as out:
        for key, example in read_table(examples, EXAMPLE):
            batch = to_minibatch([example], inputs, outputs, [key])
            if options.output_name not in batch.outputs:
                raise ValueError(f"example {key} has no output {options.output_name}")
            check_dims(batch, nnet, f"example {key}")
            y = compute(nnet, plans, batch).output(options.output_name)
            rows = y.transpose(1, 0, 2).reshape(-1, y.shape[2])  # sequence by sequence, as examples do
            if not np.isfinite(rows).all():
                raise ValueError(f"example {key}: the output is not finite: is there a NaN in the example?")
            out.write(key, np.exp(rows) if options.apply_exp else np.ascontiguousarray(rows))
            count += 1
        if not count:
            raise ValueError(f"{examples} holds no examples, so {matrices} was not written")
    log(PROG, f"Processed {count} examples.")


if __name__ == "__main__":
    raise SystemExit(main())

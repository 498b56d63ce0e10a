"""nnet3-compute-batch: the output of a raw model for whole utterances, chunks of many computed together."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nnet.batch_inference import BatchInference, BatchOptions
from nnet.combination import set_test_modes
from nnet.formats.kinds import MATRIX
from nnet.formats.tables import TableWriter, read_table
from nnet.graph.network import Nnet
from nnet.programs import nnet3_compute
from nnet.programs.engine_options import stay_on_cpu
from nnet.programs.program import log, option, run_program, warn

PROG = "nnet3-compute-batch"
USAGE = """
Propagate features through a raw neural network and write the output, one matrix an utterance. As
nnet3-compute, but chunks of many utterances are computed at once.

Usage:  nnet3-compute-batch [options] <nnet-in> <features-rspecifier> <matrix-wspecifier>
e.g.:   nnet3-compute-batch --minibatch-size=64 80.raw scp:test/feats.scp ark:out.ark
"""


@dataclass
class Options(nnet3_compute.Options):
    """Options of nnet3-compute-batch."""

    minibatch_size: int = option(128, "Chunks in a minibatch")
    edge_minibatch_size: int = option(32, "The same, for first and last chunks of other context")
    ensure_exact_final_context: bool = option(
        False, "Compute utterances shorter than --frames-per-chunk at their own length, not padded"
    )
    partial_minibatch_factor: float = option(0.5, "accepted for compatibility; no effect on results here")


def main(argv: Sequence[str] | None = None) -> int:
    """Run nnet3-compute-batch."""
    return run_program(USAGE, Options, run, (3, 3), argv)


def run(options: Options, model: str, features: str, matrices: str) -> None:
    """Write the outputs of `model` for `features` to `matrices`, in the order of the features.

    Raises ValueError naming the utterance that does not fit, or if no utterance could be computed.
    """
    start = time.monotonic()
    stay_on_cpu(options, PROG)
    nnet, log_priors = nnet3_compute.load(model, options.use_priors)
    done = 0
    failures: list[str] = []
    with TableWriter(matrices, MATRIX) as out:
        for utterance, y in outputs(options, set_test_modes(nnet), features, failures):
            out.write(utterance, nnet3_compute.finished(y, log_priors, options))
            done += 1
        if not done:
            raise ValueError(f"{features}: none of {len(failures)} utterances could be computed")
    log(PROG, f"Time taken {time.monotonic() - start:.6g}s")
    log(PROG, f"Done {done} utterances, failed for {len(failures)}")


def outputs(
    options: Options, nnet: Nnet, features: str, failures: list[str]
) -> Iterator[tuple[str, np.ndarray]]:
    """Utterances and outputs; those without frames or i-vectors are warned of and noted in `failures`."""
    ivector_of = nnet3_compute.IvectorSource(options)
    batch = BatchOptions(
        options.minibatch_size, options.edge_minibatch_size, options.ensure_exact_final_context
    )
    inference = BatchInference(nnet, nnet3_compute.chunk_options(options), batch)
    for utterance, feats in read_table(features, MATRIX):
        ivectors = ivector_of(utterance) if len(feats) else None
        if len(feats) == 0 or (ivectors is None and ivector_of.wanted):
            kind = "online iVector" if options.online_ivectors else "iVector"
            what = "Zero-length utterance:" if len(feats) == 0 else f"No {kind} available for utterance"
            warn(PROG, f"{what} {utterance}")
            failures.append(utterance)
            continue
        inference.accept(utterance, feats, ivectors, options.online_ivector_period)
        yield from inference.outputs()
    inference.finish()
    yield from inference.outputs()


if __name__ == "__main__":
    raise SystemExit(main())

"""nnet3-xvector-compute-batched: x-vectors averaged over chunks of one size, many chunks computed at once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nnet.formats.kinds import MATRIX, VECTOR
from nnet.formats.tables import TableWriter, read_table
from nnet.graph.context import context
from nnet.programs.engine_options import ComputationOptions, stay_on_cpu
from nnet.programs.nnet3_xvector_compute import load
from nnet.programs.program import log, option, run_program, warn
from nnet.xvector_chunks import batched_xvectors
from nnet.xvectors import Embedding

PROG = "nnet3-xvector-compute-batched"
USAGE = """
Put chunks of features through an x-vector network and write the mean of the outputs for each utterance.

Usage:  nnet3-xvector-compute-batched [options] <raw-nnet-in> <features-rspecifier> <vector-wspecifier>
e.g.:   nnet3-xvector-compute-batched --chunk-size=150 speakers.raw scp:test/feats.scp ark:xvectors.ark
"""


@dataclass
class Options(ComputationOptions):
    """Options of nnet3-xvector-compute-batched."""

    chunk_size: int = option(150, "Frames of a chunk, the network's context included")
    batch_size: int = option(32, "Chunks that are computed at once")
    pad_input: bool = option(True, "If true, pad utterances shorter than a chunk with their last frame")


def main(argv: Sequence[str] | None = None) -> int:
    """Run nnet3-xvector-compute-batched."""
    return run_program(USAGE, Options, run, (3, 3), argv)


def run(options: Options, model: str, features: str, vectors: str) -> int:
    """Write the vectors; status 1 if more than half of the utterances have none."""
    start = time.monotonic()
    stay_on_cpu(options, PROG)
    nnet = load(model)
    left, right = context(nnet)
    log(PROG, f"Left/right context is {left}, {right}")
    counts = {"read": 0, "frames": 0, "written": 0}
    usable = usable_utterances(options, features, counts)
    with TableWriter(vectors, VECTOR) as out:
        results = batched_xvectors(
            Embedding(nnet), usable, options.chunk_size, options.batch_size, left + right
        )
        for utterance, y in results:
            out.write(utterance, y)
            counts["written"] += 1
    elapsed = time.monotonic() - start
    rate = elapsed * 100.0 / max(counts["frames"], 1)
    log(PROG, f"Time taken {elapsed:.6g}s: real-time factor assuming 100 frames/sec is {rate:.6g}")
    log(PROG, f"Read {counts['read']} utterances, wrote {counts['written']} xvectors.")
    return 0 if counts["written"] > counts["read"] // 2 else 1


def usable_utterances(
    options: Options, features: str, counts: dict[str, int]
) -> Iterator[tuple[str, np.ndarray]]:
    """Utterances and features that chunks can be cut from; what is read is added to `counts`."""
    for utterance, x in read_table(features, MATRIX):
        if len(x) == 0:
            warn(PROG, f"Zero-length utterance: {utterance}")
            continue
        counts["read"] += 1
        counts["frames"] += len(x)
        if len(x) < options.chunk_size and not options.pad_input:
            warn(PROG, f"{len(x)} frames are fewer than the chunk size of {options.chunk_size}: {utterance}")
        else:
            yield utterance, x


if __name__ == "__main__":
    raise SystemExit(main())

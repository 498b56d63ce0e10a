"""nnet3-xvector-compute: one output vector of a network for each utterance."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from nnet.combination import check_finite, set_test_modes
from nnet.formats.kinds import MATRIX, VECTOR
from nnet.formats.model import read_nnet
from nnet.formats.tables import TableWriter, read_table
from nnet.graph.network import Nnet
from nnet.programs.engine_options import ComputationOptions, stay_on_cpu
from nnet.programs.program import log, option, run_program, warn
from nnet.xvectors import Embedding, XvectorOptions, xvector

PROG = "nnet3-xvector-compute"
USAGE = """
Put features through an x-vector network (layers on frames, statistics over all frames, layers on these) and
write a vector for each utterance, from the whole of it or averaged over chunks.

Usage:  nnet3-xvector-compute [options] <raw-nnet-in> <features-rspecifier> <vector-wspecifier>
e.g.:   nnet3-xvector-compute --chunk-size=300 speakers.raw scp:test/feats.scp ark:xvectors.ark
"""
_NO_EFFECT = "accepted for compatibility; no effect on results here"


@dataclass
class Options(ComputationOptions):
    """Options of nnet3-xvector-compute."""

    chunk_size: int = option(-1, "If set, average over chunks of this many frames; -1: the whole utterance")
    min_chunk_size: int = option(100, "Shorter chunks are padded or left out")
    pad_input: bool = option(True, "If true, pad with copies of the first and last frame to --min-chunk-size")
    cached_compiler_in: str = option("", _NO_EFFECT)
    cached_compiler_out: str = option("", _NO_EFFECT)
    extra_left_context: int = option(0, _NO_EFFECT)
    extra_right_context: int = option(0, _NO_EFFECT)
    extra_left_context_initial: int = option(-1, _NO_EFFECT)
    extra_right_context_final: int = option(-1, _NO_EFFECT)
    frame_subsampling_factor: int = option(1, _NO_EFFECT)
    acoustic_scale: float = option(1.0, _NO_EFFECT)
    frames_per_chunk: int = option(50, _NO_EFFECT)


def main(argv: Sequence[str] | None = None) -> int:
    """Run nnet3-xvector-compute."""
    return run_program(USAGE, Options, run, (3, 3), argv)


def run(options: Options, model: str, features: str, vectors: str) -> None:
    """Write the vectors. Raises ValueError naming the utterance that does not fit, or if there are none."""
    start = time.monotonic()
    stay_on_cpu(options, PROG)
    settings = XvectorOptions(options.chunk_size, options.min_chunk_size, options.pad_input)
    embedding = Embedding(load(model))
    done = failed = frames = 0
    with TableWriter(vectors, VECTOR) as out:
        for utterance, x in read_table(features, MATRIX):
            if problem := unusable(len(x), options):
                warn(PROG, f"{problem}: {utterance}")
                failed += 1
                continue
            try:
                y = xvector(embedding, x, settings)
            except ValueError as error:
                raise ValueError(f"utterance {utterance}: {error}") from None
            if y is None:
                warn(
                    PROG, f"All chunks are shorter than the minimum of {options.min_chunk_size}: {utterance}"
                )
                failed += 1
                continue
            out.write(utterance, y)
            done += 1
            frames += len(x)
        if not done:
            raise ValueError(f"{features}: none of {failed} utterances could be computed")
    elapsed = time.monotonic() - start
    rate = elapsed * 100.0 / frames
    log(PROG, f"Time taken {elapsed:.6g}s: real-time factor assuming 100 frames/sec is {rate:.6g}")
    log(PROG, f"Done {done} utterances, failed for {failed}")


def load(model: str) -> Nnet:
    """The network of a raw model in test mode. Raises ValueError if it has a NaN or an infinity."""
    nnet = read_nnet(model)
    check_finite(nnet, model)
    return set_test_modes(nnet)


def unusable(frames: int, options: Options) -> str:
    """Why an utterance of so many frames is left out; "" if it is not. A short one is told of in the log."""
    if frames == 0:
        return "Zero-length utterance"
    if not options.pad_input and frames < options.min_chunk_size:
        return (
            f"Minimum chunk size of {options.min_chunk_size} is greater than the number of rows in utterance"
        )
    if frames < options.chunk_size:
        log(PROG, f"An utterance has {frames} rows, fewer than the chunk size of {options.chunk_size}")
    return ""


if __name__ == "__main__":
    raise SystemExit(main())

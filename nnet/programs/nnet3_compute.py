"""nnet3-compute: the output of a raw model for whole utterances."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnet.combination import check_finite, set_test_modes
from nnet.formats.kinds import MATRIX, TOKEN, VECTOR
from nnet.formats.model import read_am, read_nnet
from nnet.formats.random_access import RandomAccess
from nnet.formats.tables import TableWriter, random_access, read_table
from nnet.graph.network import Nnet
from nnet.inference import ChunkOptions, Inference
from nnet.programs.engine_options import ComputationOptions, stay_on_cpu
from nnet.programs.program import log, option, run_program, warn

PROG = "nnet3-compute"
USAGE = """
Propagate features through a raw neural network and write the output, one matrix an utterance.

Usage:  nnet3-compute [options] <nnet-in> <features-rspecifier> <matrix-wspecifier>
e.g.:   nnet3-compute --use-gpu=no 80.raw scp:test/feats.scp ark,scp:out.ark,out.scp
"""


@dataclass
class Options(ComputationOptions):
    """Options of nnet3-compute."""

    extra_left_context: int = option(0, "Frames of left context beyond the network's own")
    extra_right_context: int = option(0, "Frames of right context beyond the network's own")
    extra_left_context_initial: int = option(
        -1, "If >= 0, overrides --extra-left-context at the utterance's start"
    )
    extra_right_context_final: int = option(
        -1, "If >= 0, overrides --extra-right-context at the utterance's end"
    )
    frame_subsampling_factor: int = option(1, "Input frames for one output frame")
    acoustic_scale: float = option(1.0, "Factor on the output")
    frames_per_chunk: int = option(
        50, "Input frames of the chunks that are computed separately, where it matters to the outputs"
    )
    ivectors: str = option(
        "", "Rspecifier of i-vectors, one vector an utterance (or a speaker, with --utt2spk)"
    )
    utt2spk: str = option("", "Rspecifier of a map from utterances to speakers, for --ivectors")
    online_ivectors: str = option("", "Rspecifier of online i-vectors, a matrix an utterance")
    online_ivector_period: int = option(0, "Frames between rows of the online i-vectors")
    apply_exp: bool = option(False, "Apply the exponential function to the output")
    use_priors: bool = option(False, "Subtract the logarithms of the priors stored in a .mdl")


def main(argv: Sequence[str] | None = None) -> int:
    """Run nnet3-compute."""
    return run_program(USAGE, Options, run, (3, 3), argv)


def run(options: Options, model: str, features: str, matrices: str) -> None:
    """Write the outputs of `model` for `features` to `matrices`.

    Raises ValueError naming the utterance that does not fit, or if no utterance could be computed.
    """
    start = time.monotonic()
    stay_on_cpu(options, PROG)
    nnet, log_priors = load(model, options.use_priors)
    inference = Inference(set_test_modes(nnet), chunk_options(options))
    ivector_of = IvectorSource(options)
    done = failed = frames = 0
    with TableWriter(matrices, MATRIX) as out:
        for utterance, feats in read_table(features, MATRIX):
            ivectors = ivector_of(utterance) if len(feats) else None
            if len(feats) == 0 or (ivectors is None and ivector_of.wanted):
                warn(PROG, f"{utterance}: " + ("no i-vector" if len(feats) else "zero-length utterance"))
                failed += 1
                continue
            try:
                y = inference.compute(feats, ivectors, options.online_ivector_period)
            except ValueError as error:
                raise ValueError(f"utterance {utterance}: {error}") from None
            out.write(utterance, finished(y, log_priors, options))
            done += 1
            frames += len(feats)
        if not done:
            raise ValueError(f"{features}: none of {failed} utterances could be computed")
    elapsed = time.monotonic() - start
    rate = elapsed * 100.0 / frames
    log(PROG, f"Time taken {elapsed:.6g}s: real-time factor assuming 100 frames/sec is {rate:.6g}")
    log(PROG, f"Done {done} utterances, failed for {failed}")


def finished(y: np.ndarray, log_priors: np.ndarray | None, options: Options) -> np.ndarray:
    """The output (frames, dim) without priors, scaled, perhaps exponentiated; changes `y`."""
    if log_priors is not None:
        y -= log_priors
    y *= y.dtype.type(options.acoustic_scale)
    return np.exp(y) if options.apply_exp else y


def load(model: str, use_priors: bool) -> tuple[Nnet, np.ndarray | None]:
    """The network of a raw model or .mdl file, and the logarithms of the .mdl's priors if they are wanted."""
    if not use_priors:
        nnet, priors = read_nnet(model), None
    else:
        am = read_am(model)
        nnet, priors = am.nnet, am.priors
        if not len(priors):
            raise ValueError(
                f"{model} has no priors; run nnet3-am-adjust-priors first or give --use-priors=false"
            )
    check_finite(nnet, model)
    return nnet, None if priors is None else np.log(priors)


def chunk_options(options: Options) -> ChunkOptions:
    """The part of the options that says how utterances are cut."""
    return ChunkOptions(
        options.frames_per_chunk,
        options.frame_subsampling_factor,
        options.extra_left_context,
        options.extra_right_context,
        options.extra_left_context_initial,
        options.extra_right_context_final,
    )


class IvectorSource:
    """The i-vectors that the options name, by utterance."""

    def __init__(self, options: Options) -> None:
        if options.ivectors and options.online_ivectors:
            raise ValueError("--ivectors and --online-ivectors exclude each other: give one of them")
        if options.online_ivectors and options.online_ivector_period < 1:
            raise ValueError("--online-ivectors needs --online-ivector-period, the frames between its rows")
        self.wanted = bool(options.ivectors or options.online_ivectors)
        self.table: RandomAccess | None = None
        self.speaker_of: RandomAccess | None = None
        if options.ivectors:
            self.table = random_access(options.ivectors, VECTOR)
            self.speaker_of = random_access(options.utt2spk, TOKEN) if options.utt2spk else None
        elif options.online_ivectors:
            self.table = random_access(options.online_ivectors, MATRIX)

    def __call__(self, utterance: str) -> np.ndarray | None:
        """One vector, online i-vectors (n, dim), or None if there is none for the utterance."""
        key = utterance if self.speaker_of is None else self.speaker_of.get(utterance)
        return None if self.table is None or key is None else self.table.get(key)


if __name__ == "__main__":
    raise SystemExit(main())

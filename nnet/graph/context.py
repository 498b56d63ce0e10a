"""How many frames to the left and right of an output frame a network needs."""

from __future__ import annotations

from nnet.graph.groups import check_cycles
from nnet.graph.network import Nnet
from nnet.graph.reads import Computable

FIRST_WINDOW, LAST_WINDOW = 40, 800  # frames


def is_simple(nnet: Nnet) -> bool:
    """Whether there are an "output", an "input" and no further input but "ivector" (Kaldi's IsSimpleNnet)."""
    inputs = nnet.input_names()
    return "output" in nnet.output_names() and "input" in inputs and (len(inputs) == 1 or "ivector" in inputs)


def context(nnet: Nnet) -> tuple[int, int]:
    """Left and right context in frames of "output" (Kaldi's ComputeSimpleNnetContext).

    Windows of input are tried at every shift up to the network's modulus: the context is what the first
    stretch of computable outputs leaves at the window's edges, the largest over all shifts. Inputs that are
    optional do not count.
    Raises ValueError if the network is not simple, or no output can be computed from 640 frames.
    """
    if not is_simple(nnet):
        raise ValueError(
            "a context is known of networks with an output-node output and input-nodes input (and ivector); "
            f"this one has inputs {', '.join(nnet.input_names())} and outputs "
            f"{', '.join(nnet.output_names())}"
        )
    check_cycles(nnet, ["output"])
    starts = range(nnet.modulus() + 1)  # the last one is like the first, but where ReplaceIndex names a frame
    window = FIRST_WINDOW
    while window < LAST_WINDOW:
        found = [found for start in starts if (found := _context_at(nnet, start, window))]
        if len(found) == len(starts):
            return max(left for left, _ in found), max(right for _, right in found)
        window *= 2
    raise ValueError(f"no frame of output can be computed from {window // 2} frames of input")


def _context_at(nnet: Nnet, start: int, window: int) -> tuple[int, int] | None:
    """The contexts seen with input frames start .. start + window - 1; None if no output can be computed."""
    frames = range(start, start + window)
    computable = Computable(nnet, {"input": frames, "ivector": range(start - nnet.modulus(), start + window)})
    ok = [computable("output", t) for t in frames]
    if not any(ok):
        return None
    first = ok.index(True)
    end = ok.index(False, first) if False in ok[first:] else window
    return first, window - end


def left_context(nnet: Nnet) -> int:
    """Frames of input needed before an output frame; see `context`."""
    return context(nnet)[0]


def right_context(nnet: Nnet) -> int:
    """Frames of input needed after an output frame; see `context`."""
    return context(nnet)[1]

"""How many frames to the left and right of an output frame a network needs."""

from __future__ import annotations

from nnet.graph.descriptor import Descriptor, Failover, IfDefined, NodeRef, ReplaceIndex, children
from nnet.graph.groups import check_cycles
from nnet.graph.network import Nnet
from nnet.graph.node import ComponentNode, OutputNode
from nnet.graph.reads import Computable, has_optional_reads

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


def sees_windows(nnet: Nnet) -> bool:
    """Whether an output is a function of the i-vector and the input frames around it, of nothing else.

    It is not if frames are optional, so that edges of the input show (as in all recurrences), or if the
    minibatch has a say: batch-norm and random components that are not in test mode.
    """
    nodes = (node for node in nnet.nodes.values() if isinstance(node, (ComponentNode, OutputNode)))
    return all(_moves_along(node.input) for node in nodes) and not any(
        has_optional_reads(c) or not getattr(c, "test_mode", True) for c in nnet.components.values()
    )


def _moves_along(d: Descriptor) -> bool:
    """Whether a descriptor reads fixed distances from a frame; the i-vector may stand at frame 0."""
    if isinstance(d, ReplaceIndex) and d.variable == "t":
        return d.part == NodeRef("ivector")
    return not isinstance(d, (IfDefined, Failover)) and all(map(_moves_along, children(d)))


def left_context(nnet: Nnet) -> int:
    """Frames of input needed before an output frame; see `context`."""
    return context(nnet)[0]


def right_context(nnet: Nnet) -> int:
    """Frames of input needed after an output frame; see `context`."""
    return context(nnet)[1]

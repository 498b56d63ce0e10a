"""Chain examples as minibatches, and copies of them: shifted in time, cut, renamed, weighted."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np

from nnet.examples.copy import FrameSelector
from nnet.examples.minibatch import inputs_of
from nnet.examples.stream import check_dims
from nnet.formats.chain_examples import CHAIN_EXAMPLE, ChainExample, ChainOutput
from nnet.formats.examples import NnetExample, NnetIo
from nnet.formats.tables import read_table
from nnet.graph.network import Nnet
from nnet.minibatch import ChainTarget, Minibatch

N, T, X = 0, 1, 2  # columns of indexes


def read_chain_minibatches(rspecifier: str, nnet: Nnet) -> Iterator[Minibatch]:
    """Every example of a table as a minibatch for `nnet`; merged examples are what is meant."""
    inputs, outputs = set(nnet.input_names()), set(nnet.output_names())
    for key, example in read_table(rspecifier, CHAIN_EXAMPLE):
        batch = to_chain_minibatch(example, inputs, outputs, f"example {key}")
        check_dims(batch, nnet, f"example {key}")
        yield batch


def to_chain_minibatch(
    example: ChainExample, inputs: Collection[str], outputs: Collection[str], where: str = "the example"
) -> Minibatch:
    """The arrays of an example; inputs whose names start with __ are left out, as in Kaldi.

    Raises ValueError naming `where` if a name is no node of the network, or if inputs and outputs hold
    different numbers of sequences.
    """
    ios = [io for io in example.inputs if not io.name.startswith("__")]
    n, arrays = inputs_of(ios, inputs, where)
    batch = Minibatch(n, arrays, {})
    for output in example.outputs:
        if output.name not in outputs:
            raise ValueError(
                f"{where} has an output '{output.name}', but the network's are {', '.join(sorted(outputs))}"
            )
        s = output.supervision
        if s.num_sequences != n:
            raise ValueError(f"{where}: '{output.name}' has {s.num_sequences} sequences, its inputs have {n}")
        frames = tuple(output.indexes[::n, T].tolist())
        w = output.deriv_weights
        shape = (s.frames_per_sequence, n)
        weights = w.reshape(shape) if len(w) and (w != 1).any() else None
        batch.outputs[output.name] = ChainTarget(frames, s, weights)
    return batch


def frame_step(output: ChainOutput) -> int:
    """Frames of the input from one frame of an output to the next. Raises ValueError if it has only one."""
    t = output.indexes[:, T]
    later = t[t != t[0]]
    if not len(later):
        raise ValueError(f"'{output.name}' has one frame only, so it does not tell how far frames are apart")
    return int(later[0] - t[0])


def shift_chain_times(example: ChainExample, shift: int) -> ChainExample:
    """All times of inputs but ivector later by `shift`; outputs by the nearest multiple of their frame step.

    Kaldi's ShiftChainExampleTimes.
    """
    if shift == 0:
        return example
    by = np.array([0, shift, 0], np.int32)
    inputs = [
        io if io.name == "ivector" else NnetIo(io.name, io.indexes + by, io.features) for io in example.inputs
    ]
    outputs = []
    for output in example.outputs:
        step = frame_step(output)
        rounded = np.array([0, step * int(np.floor(0.5 + shift / step)), 0], np.int32)
        outputs.append(replace(output, indexes=output.indexes + rounded))
    return ChainExample(inputs, outputs)


def cut_context(example: ChainExample, select: FrameSelector) -> ChainExample:
    """The input cut to the contexts that `select` asks for. Raises ValueError for merged examples."""
    empty = np.zeros((0, 0), np.float32)
    outputs = [NnetIo(o.name, o.indexes, empty) for o in example.outputs]
    cut = select(NnetExample([*example.inputs, *outputs]))
    assert cut is not None  # no frame is selected
    return ChainExample(cut.io[: len(example.inputs)], example.outputs)


def rename_chain_output(example: ChainExample, name: str) -> ChainExample:
    """`example` with "output" called `name`. Raises ValueError if there is no "output"."""
    _require_output(example)
    return ChainExample(
        example.inputs, [replace(o, name=name) if o.name == "output" else o for o in example.outputs]
    )


def scale_chain_output(example: ChainExample, weight: float) -> ChainExample:
    """`example` with the weight of the supervision of "output" times `weight`. Raises ValueError likewise."""
    if weight == 1.0:
        return example
    _require_output(example)
    return ChainExample(example.inputs, [_scaled(o, weight) for o in example.outputs])


def _scaled(output: ChainOutput, weight: float) -> ChainOutput:
    if output.name != "output":
        return output
    s = output.supervision
    return replace(output, supervision=replace(s, weight=float(np.float32(s.weight) * np.float32(weight))))


def _require_output(example: ChainExample) -> None:
    if not any(o.name == "output" for o in example.outputs):
        names = ", ".join(o.name for o in example.outputs)
        raise ValueError(f"the example has no output named 'output', only {names}")

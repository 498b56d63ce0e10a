"""Merging chain examples of one structure into minibatches (Kaldi's ChainExampleMerger)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from nnet.examples.hash_order import chain_code
from nnet.examples.merge import MergingStats, group_examples, merge_examples
from nnet.examples.minibatch_size import MinibatchSizes
from nnet.formats.chain_examples import ChainExample, ChainOutput
from nnet.formats.examples import NnetExample
from nnet.fst.epsilons import concatenate, remove_epsilons
from nnet.fst.order import breadth_first
from nnet.supervision import Supervision

N, T = 0, 1  # columns of indexes


def chain_structure(example: ChainExample) -> Hashable:
    """What must be equal for examples to merge: names and indexes, dimensions of inputs."""
    inputs = tuple((io.name, io.features.shape[1], io.indexes.tobytes()) for io in example.inputs)
    return inputs, tuple((o.name, o.indexes.tobytes()) for o in example.outputs)


def chain_size(example: ChainExample) -> int:
    """The largest number of rows of any of its inputs and outputs."""
    return max(len(indexes) for indexes in _all_indexes(example))


def chain_structure_code(example: ChainExample) -> int:
    """The hash code of the structure, which decides the order of what is left at the end."""
    inputs = [(io.name, io.indexes, io.features.shape[1]) for io in example.inputs]
    return chain_code(inputs, [(o.name, o.indexes) for o in example.outputs])


def _all_indexes(example: ChainExample) -> list[np.ndarray]:
    return [io.indexes for io in example.inputs] + [o.indexes for o in example.outputs]


def merge_chain(
    examples: Iterable[ChainExample],
    sizes: MinibatchSizes,
    compress: bool = False,
    stats: MergingStats | None = None,
    multilingual: bool = False,
) -> Iterator[tuple[str, ChainExample]]:
    """(key, merged example) of every minibatch; the key is merged-COUNT-SIZE[?lang=NAME]."""
    groups = group_chain_examples(examples, sizes, stats)
    for i, group in enumerate(groups):
        merged = merge_chain_examples(group, compress)
        language = f"?lang={merged.outputs[0].name.partition('-')[2]}" if multilingual else ""
        yield f"merged-{i}-{len(group)}{language}", merged


def group_chain_examples(
    examples: Iterable[ChainExample], sizes: MinibatchSizes, stats: MergingStats | None = None
) -> Iterator[list[ChainExample]]:
    """Lists of examples that are to be minibatches, as group_examples makes them."""
    return group_examples(examples, sizes, stats, chain_structure, chain_size, chain_structure_code)


def merge_chain_examples(
    examples: Sequence[ChainExample], compress: bool = False, join: bool = True
) -> ChainExample:
    """One example out of several of one structure; `join` as for merge_supervision. Raises ValueError if they
    do not fit together.
    """
    if any(indexes[:, N].any() for e in examples for indexes in _all_indexes(e)):
        raise ValueError("chain examples that are merged already cannot be merged again")
    inputs = merge_examples([NnetExample(e.inputs) for e in examples], compress).io
    count = len(examples[0].outputs)
    outputs = [_merge_outputs([e.outputs[k] for e in examples], join) for k in range(count)]
    return ChainExample(inputs, outputs)


def _merge_outputs(outputs: Sequence[ChainOutput], join: bool) -> ChainOutput:
    """Frames sorted by t, then n; weights of derivatives likewise."""
    count, frames = len(outputs), len(outputs[0].indexes)
    indexes = np.repeat(outputs[0].indexes, count, axis=0)
    indexes[:, N] = np.tile(np.arange(count), frames)
    weights = np.zeros(0, np.float32)
    if len(outputs[0].deriv_weights):
        if any(len(o.deriv_weights) != frames for o in outputs):
            raise ValueError(f"not every example to be merged has {frames} weights of derivatives")
        weights = np.stack([o.deriv_weights for o in outputs], axis=1).ravel()
    merged = merge_supervision([o.supervision for o in outputs], join)
    return ChainOutput(outputs[0].name, indexes, merged, weights)


def merge_supervision(parts: Sequence[Supervision], join: bool = True) -> Supervision:
    """Supervision of all sequences: FSTs beside each other if end to end, else joined to one.

    Joining takes time and is needed only for files; without `join` FSTs stay beside each other. Alignments of
    end-to-end supervision are dropped, as in Kaldi. Raises ValueError if the parts differ in weight, frames,
    labels or sort.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    for other in parts[1:]:
        for name in ("weight", "frames_per_sequence", "label_dim", "end_to_end"):
            if getattr(other, name) != getattr(first, name):
                raise ValueError(
                    f"chain examples to be merged differ in {name.replace('_', ' ')}: "
                    f"{getattr(first, name)} and {getattr(other, name)}"
                )
    count = sum(p.num_sequences for p in parts)
    if first.end_to_end:
        fsts = tuple(fst for p in parts for fst in p.fsts)
        return replace(first, num_sequences=count, fsts=fsts, alignment_pdfs=np.zeros(0, np.int32))
    if any(len(p.alignment_pdfs) for p in parts):
        raise ValueError("chain examples with both an alignment and a layered FST cannot be merged")
    if not join:
        return replace(first, num_sequences=count, fsts=tuple(fst for p in parts for fst in p.fsts))
    joined = parts[-1].fsts[0]
    for p in reversed(parts[:-1]):
        joined = concatenate(p.fsts[0], joined)
    return replace(first, num_sequences=count, fsts=(breadth_first(remove_epsilons(joined)),))

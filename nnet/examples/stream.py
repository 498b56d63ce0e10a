"""Streams of minibatches for a network: from merged examples, or single ones picked, shuffled and merged
on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np

from nnet.examples.copy import FrameSelector
from nnet.examples.merge import MergingStats, group_examples
from nnet.examples.minibatch import to_minibatch
from nnet.examples.minibatch_size import MinibatchSizes, parse_minibatch_sizes
from nnet.examples.packed import PackedArchive, open_packed
from nnet.examples.shuffle import shuffle, subset
from nnet.formats.examples import EXAMPLE, NnetExample
from nnet.formats.tables import read_table
from nnet.graph.network import Nnet
from nnet.minibatch import Minibatch

Item = TypeVar("Item")


@dataclass(frozen=True)
class StreamOptions:
    """What `nnet3-copy-egs --frame | nnet3-shuffle-egs | nnet3-merge-egs` would be told.

    `frame`: keep only this labelled frame, -1 keeps all. `shuffle_buffer_size`: 0 shuffles everything, -1
    nothing. `subset`: keep so many at random, before shuffling; -1 keeps all. `change`, if given, makes
    something else of every example before it is merged. Of the minibatches every `parts`-th from number
    `part` is made.
    """

    minibatch_size: str
    frame: int = -1
    shuffle_buffer_size: int = -1
    srand: int = 0
    subset: int = -1
    change: Callable[[NnetExample], NnetExample] | None = None
    part: int = 0
    parts: int = 1


def read_minibatches(rspecifier: str, nnet: Nnet) -> Iterator[Minibatch]:
    """Every example of a table as a minibatch for `nnet`; merged examples are what is meant."""
    inputs, outputs = set(nnet.input_names()), set(nnet.output_names())
    for key, example in read_table(rspecifier, EXAMPLE):
        batch = to_minibatch([example], inputs, outputs, [key])
        check_dims(batch, nnet, f"example {key}")
        yield batch


def check_dims(batch: Minibatch, nnet: Nnet, where: str) -> None:
    """Raise ValueError naming `where`, node and both dims if a minibatch is not made for this network."""
    for name, (_, x) in batch.inputs.items():
        if x.shape[2] != nnet.input_dim(name):
            raise ValueError(
                f"{where}: '{name}' has dim {x.shape[2]}, the network expects {nnet.input_dim(name)}"
            )
    for name, target in batch.outputs.items():
        if target.dim != nnet.output_dim(name):
            raise ValueError(
                f"{where}: labels of '{name}' have dim {target.dim}, the network's output has "
                f"{nnet.output_dim(name)}: were the examples made with another num-pdfs?"
            )


def stream_minibatches(
    rspecifier: str, nnet: Nnet, options: StreamOptions, log: Callable[[str], None] = lambda line: None
) -> Iterator[Minibatch]:
    """Minibatches of single examples, without the files and processes between Kaldi's three programs.

    `log` receives the closing lines of the merging (how much was discarded). Raises ValueError for bad
    options.
    """
    sizes = parse_minibatch_sizes(options.minibatch_size)
    rng = np.random.default_rng(options.srand)
    inputs, outputs = set(nnet.input_names()), set(nnet.output_names())
    stats = MergingStats()
    packed = open_packed(rspecifier) if options.change is None else None
    if packed is not None and packed.names <= inputs | outputs:
        for batch in _from_packed(packed, outputs, options, sizes, rng, stats):
            check_dims(batch, nnet, f"the examples of {rspecifier}")
            yield batch
    else:
        examples: Iterator[NnetExample] = (example for _, example in read_table(rspecifier, EXAMPLE))
        if options.frame >= 0:
            select = FrameSelector(frame=str(options.frame))
            examples = (kept for eg in examples if (kept := select(eg)) is not None)
        shuffled = _arranged(examples, options, rng)
        changed = shuffled if options.change is None else map(options.change, shuffled)
        groups = group_examples(changed, sizes, stats)
        for group in islice(groups, options.part, None, options.parts):
            batch = to_minibatch(group, inputs, outputs)
            check_dims(batch, nnet, f"the examples of {rspecifier}")
            yield batch
    for line in stats.summary():
        log(line)


def shuffled_by(items: Iterable[Item], buffer_size: int, rng: np.random.Generator) -> Iterable[Item]:
    """`items` shuffled in a buffer of so many; 0 shuffles everything, -1 nothing."""
    return items if buffer_size < 0 else shuffle(items, rng, buffer_size)


def _arranged(items: Iterable[Item], options: StreamOptions, rng: np.random.Generator) -> Iterable[Item]:
    if options.subset >= 0:
        items, _ = subset(items, options.subset, rng, randomize_order=False)
    return shuffled_by(items, options.shuffle_buffer_size, rng)


def _from_packed(
    packed: PackedArchive,
    outputs: Collection[str],
    options: StreamOptions,
    sizes: MinibatchSizes,
    rng: np.random.Generator,
    stats: MergingStats,
) -> Iterator[Minibatch]:
    """What the general way makes, in the same order, with the numbers of examples in place of examples."""
    items: Iterable[tuple[int, int]] = packed.order
    if options.frame >= 0:
        has = [packed.has_label(layout, options.frame) for layout in packed.layouts]
        items = [item for item in packed.order if has[item[0]]]
    frame = options.frame if options.frame >= 0 else None
    groups = group_examples(
        _arranged(items, options, rng),
        sizes,
        stats,
        structure_of=lambda item: item[0],
        size_of=lambda item: packed.layouts[item[0]].size(frame),
        code_of=lambda item: packed.layouts[item[0]].code(frame),
    )
    for group in islice(groups, options.part, None, options.parts):
        which = np.array([index for _, index in group])
        yield packed.minibatch(packed.layouts[group[0][0]], which, outputs, frame)

"""Streams of minibatches for a network: from merged examples, or single ones picked, shuffled and merged on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from nnet.examples.copy import FrameSelector
from nnet.examples.merge import MergingStats, group_examples
from nnet.examples.minibatch import to_minibatch
from nnet.examples.minibatch_size import parse_minibatch_sizes
from nnet.examples.shuffle import shuffle
from nnet.formats.examples import EXAMPLE, NnetExample
from nnet.formats.tables import read_table
from nnet.graph.network import Nnet
from nnet.minibatch import Minibatch


@dataclass(frozen=True)
class StreamOptions:
    """What `nnet3-copy-egs --frame | nnet3-shuffle-egs | nnet3-merge-egs` would be told.

    `frame`: keep only this labelled frame, -1 keeps all. `shuffle_buffer_size`: 0 shuffles everything, -1 nothing.
    """

    minibatch_size: str
    frame: int = -1
    shuffle_buffer_size: int = -1
    srand: int = 0


def read_minibatches(rspecifier: str, nnet: Nnet) -> Iterator[Minibatch]:
    """Every example of a table as a minibatch for `nnet`; merged examples are what is meant."""
    inputs, outputs = set(nnet.input_names()), set(nnet.output_names())
    for key, example in read_table(rspecifier, EXAMPLE):
        yield to_minibatch([example], inputs, outputs, [key])


def stream_minibatches(
    rspecifier: str, nnet: Nnet, options: StreamOptions, log: Callable[[str], None] = lambda line: None
) -> Iterator[Minibatch]:
    """Minibatches of single examples, without the files and processes between Kaldi's three programs.

    `log` receives the closing lines of the merging (how much was discarded). Raises ValueError for bad options.
    """
    sizes = parse_minibatch_sizes(options.minibatch_size)
    inputs, outputs = set(nnet.input_names()), set(nnet.output_names())
    examples: Iterator[NnetExample] = (example for _, example in read_table(rspecifier, EXAMPLE))
    if options.frame >= 0:
        select = FrameSelector(frame=str(options.frame))
        examples = (kept for eg in examples if (kept := select(eg)) is not None)
    if options.shuffle_buffer_size >= 0:
        examples = shuffle(examples, np.random.default_rng(options.srand), options.shuffle_buffer_size)
    stats = MergingStats()
    for group in group_examples(examples, sizes, stats):
        yield to_minibatch(group, inputs, outputs)
    for line in stats.summary():
        log(line)

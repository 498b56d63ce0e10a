"""Streams of chain minibatches from single examples, shifted, shuffled and merged on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from nnet.examples.chain import shift_chain_times, to_chain_minibatch
from nnet.examples.chain_merge import group_chain_examples, merge_chain_examples
from nnet.examples.merge import MergingStats
from nnet.examples.minibatch_size import parse_minibatch_sizes
from nnet.examples.stream import check_dims, shuffled_by
from nnet.formats.chain_examples import CHAIN_EXAMPLE
from nnet.formats.tables import read_table
from nnet.graph.network import Nnet
from nnet.minibatch import Minibatch


@dataclass(frozen=True)
class ChainStreamOptions:
    """What `nnet3-chain-copy-egs --frame-shift | nnet3-chain-shuffle-egs | nnet3-chain-merge-egs` would be
    told. `shuffle_buffer_size`: 0 shuffles everything, -1 nothing. Of the minibatches every `parts`-th from
    number `part` is made.
    """

    minibatch_size: str
    frame_shift: int = 0
    shuffle_buffer_size: int = -1
    srand: int = 0
    part: int = 0
    parts: int = 1


def stream_chain_minibatches(
    rspecifier: str, nnet: Nnet, options: ChainStreamOptions, log: Callable[[str], None] = lambda line: None
) -> Iterator[Minibatch]:
    """Minibatches of single examples, without the files and processes between Kaldi's three programs.

    `log` receives the closing lines of the merging. Raises ValueError for bad options, and for examples that
    do not fit the network.
    """
    sizes = parse_minibatch_sizes(options.minibatch_size)
    rng = np.random.default_rng(options.srand)
    inputs, outputs = set(nnet.input_names()), set(nnet.output_names())
    stats, where = MergingStats(), f"the examples of {rspecifier}"
    examples = (shift_chain_times(eg, options.frame_shift) for _, eg in read_table(rspecifier, CHAIN_EXAMPLE))
    shuffled = shuffled_by(examples, options.shuffle_buffer_size, rng)
    groups = group_chain_examples(shuffled, sizes, stats)
    for group in islice(groups, options.part, None, options.parts):
        batch = to_chain_minibatch(merge_chain_examples(group, join=False), inputs, outputs, where)
        check_dims(batch, nnet, where)
        yield batch
    for line in stats.summary():
        log(line)

"""A share of the minibatches of an archive, so that several processes can work on one set of examples."""

from __future__ import annotations

from collections.abc import Iterator

from nnet.examples.merge import group_examples
from nnet.examples.minibatch import to_minibatch
from nnet.examples.minibatch_size import parse_minibatch_sizes
from nnet.formats.examples import EXAMPLE
from nnet.formats.tables import read_table
from nnet.graph.network import Nnet
from nnet.minibatch import Minibatch


def part_of(
    rspecifier: str, nnet: Nnet, minibatch_size: str, part: int, of: int
) -> Iterator[tuple[int, Minibatch]]:
    """(number, minibatch) for every `of`-th minibatch from number `part`; merged in order, so numbers
    mean the same.
    """
    inputs, outputs = set(nnet.input_names()), set(nnet.output_names())
    examples = (eg for _, eg in read_table(rspecifier, EXAMPLE))
    for number, group in enumerate(group_examples(examples, parse_minibatch_sizes(minibatch_size))):
        if number % of == part:
            yield number, to_minibatch(group, inputs, outputs)

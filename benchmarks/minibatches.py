"""Reads an archive of single examples as a training job does, and does nothing with the minibatches."""

from __future__ import annotations

import sys

from nnet.examples.stream import StreamOptions, stream_minibatches
from nnet.factory import make_component
from nnet.formats.examples import EXAMPLE
from nnet.formats.tables import read_table
from nnet.graph.network import Nnet


def main() -> None:
    """`minibatches FRAME BUFFER MINIBATCH RSPECIFIER`: one pass."""
    frame, buffer, minibatch, rspecifier = sys.argv[-4:]
    options = StreamOptions(minibatch, frame=int(frame), shuffle_buffer_size=int(buffer))
    for _ in stream_minibatches(rspecifier, network_for(rspecifier), options):
        pass


def network_for(rspecifier: str) -> Nnet:
    """A network with the input and output of the first example."""
    _, first = next(iter(read_table(rspecifier, EXAMPLE)))
    dims = {io.name: io.features.shape[1] for io in first.io}
    lines = [
        f"input-node name=input dim={dims['input']}",
        f"component name=a type=LinearComponent input-dim={dims['input']} output-dim={dims['output']}",
        "component-node name=a component=a input=input",
        "output-node name=output input=a",
    ]
    return Nnet.from_config(lines, make_component)


if __name__ == "__main__":
    main()

"""nnet3-train without natural gradient: the same command line, for the cost of it. A benchmark, not a way
to train.
"""

from __future__ import annotations

import sys

from nnet.examples.stream import read_minibatches
from nnet.formats.model import read_nnet, write_nnet
from nnet.trainer import Trainer


def main() -> None:
    """`plain_sgd MODEL EXAMPLES OUT`: one pass, every component taking plain gradients."""
    model, examples, out = sys.argv[-3:]
    nnet = read_nnet(model)
    trainer = Trainer(nnet)
    for c in trainer.delta.values():
        if hasattr(c, "is_gradient"):
            c.is_gradient = True
    for batch in read_minibatches(examples, nnet):
        trainer.step(batch)
    write_nnet(nnet, out)


if __name__ == "__main__":
    main()

"""A job that scores several models on several sets of examples, each score in a log of its own as
Kaldi's would be.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from nnet.combination import set_test_modes
from nnet.examples.stream import StreamOptions, stream_minibatches
from nnet.files import atomic_write
from nnet.formats.model import read_nnet
from nnet.graph.network import Nnet
from nnet.minibatch import Minibatch
from nnet.programs.program import version
from nnet.score import Scorer

MINIBATCH_SIZE = "1:64"
PER_DIM = "--compute-per-dim-accuracy=true"


def main(argv: Sequence[str] | None = None) -> int:
    """`steps.diagnose [--compute-per-dim-accuracy=true] LOG_DIR SET=EGS... -- NAME=MODEL...`."""
    words = list(sys.argv[1:] if argv is None else argv)
    per_dim = PER_DIM in words
    words = [w for w in words if w != PER_DIM]
    split = words.index("--")
    models = [w.split("=", 1) for w in words[split + 1 :]]
    try:
        first = read_nnet(models[0][1])
        sets = {name: read(table, first) for name, table in (w.split("=", 1) for w in words[1:split])}
        for name, model in models:
            for which, batches in sets.items():
                write_score(Path(words[0]) / f"compute_prob_{which}.{name}.log", model, batches, per_dim)
    except (ValueError, OSError) as error:
        print(f"ERROR (nnet3-compute-prob) {error}", file=sys.stderr)
        return 1
    return 0


def read(rspecifier: str, nnet: Nnet) -> list[Minibatch]:
    """All examples of a table as minibatches for networks like `nnet`."""
    return list(stream_minibatches(rspecifier, nnet, StreamOptions(MINIBATCH_SIZE)))


def write_score(log: Path, model: str, batches: list[Minibatch], per_dim: bool) -> None:
    """Score a model and write the log whole, in the form that Kaldi's report scripts look for."""
    scorer = Scorer(set_test_modes(read_nnet(model)))
    for batch in batches:
        scorer.add(batch)
    prefix = f"LOG (nnet3-compute-prob[pynnet3-{version()}]:PrintTotalStats():nnet-diagnostics.cc:0)"
    with atomic_write(log, text=True) as stream:
        stream.write(f"# nnet3-compute-prob {model}\n")
        stream.writelines(f"{prefix} {line}\n" for line in scorer.lines(per_dim))


if __name__ == "__main__":
    sys.exit(main())

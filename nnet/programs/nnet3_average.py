"""nnet3-average: the weighted average of raw models."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from nnet.combination import average, check_finite, check_same_structure
from nnet.formats.model import read_nnet, write_nnet
from nnet.graph.network import Nnet
from nnet.programs.engine_options import ModelOutputOptions
from nnet.programs.program import log, option, run_program, warn

PROG = "nnet3-average"
USAGE = """
Averages the parameters and statistics of 'raw' nnet3 models of one structure.
A model with a NaN or an infinity is refused by name.

Usage:  nnet3-average [options] <model1> <model2> ... <modelN> <model-out>
e.g.:   nnet3-average --weights=0.5:0.25:0.25 a.raw b.raw c.raw mean.raw
"""


@dataclass
class Options(ModelOutputOptions):
    """Options of nnet3-average."""

    weights: str = option("", "Colon-separated weights, one for each input model; normalized to sum to one")
    num_threads: int = option(-1, "accepted for compatibility; models are read one by one")


def main(argv: Sequence[str] | None = None) -> int:
    """Run nnet3-average."""
    return run_program(USAGE, Options, run, (2, None), argv)


def run(options: Options, *files: str) -> None:
    """Average the models `files[:-1]` into `files[-1]`."""
    inputs, output = files[:-1], files[-1]
    weights = parse_weights(options.weights, len(inputs))
    write_nnet(average(read_alike(inputs), weights), output, options.binary)
    log(PROG, f"Averaged parameters of {len(inputs)} neural nets, and wrote to {output}")


def read_alike(names: Iterable[str]) -> Iterator[Nnet]:
    """The models of raw files, one by one.

    Raises ValueError naming file and component if one has a NaN or another structure than the first.
    """
    first: Nnet | None = None
    for name in names:
        nnet = read_nnet(name)
        check_finite(nnet, name)
        first = first or nnet
        check_same_structure(first, nnet, name)
        yield nnet


def parse_weights(text: str, count: int) -> list[float]:
    """`0.2:0.8` -> [0.2, 0.8]; equal weights for empty text. Raises ValueError unless there are `count`."""
    if not text:
        return [1.0 / count] * count
    try:
        weights = [float(w) for w in text.split(":")]
    except ValueError:
        raise ValueError(f"--weights={text}: expected numbers separated by colons") from None
    if len(weights) != count:
        raise ValueError(f"--weights={text} gives {len(weights)} weights for {count} models")
    total = sum(weights)
    if not 0 < total < math.inf:
        raise ValueError(f"--weights={text}: the weights sum to {total:g}; a positive sum is needed")
    if abs(total - 1.0) > 0.01:
        warn(PROG, f"Normalizing weights to sum to one, sum was {total:g}")
    return weights


if __name__ == "__main__":
    raise SystemExit(main())

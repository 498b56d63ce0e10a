"""Averaging of models: nnet3-average, ours and Kaldi's, for each further model.

usage: python -m benchmarks.averaging --networks DIR [--only tdnnf] [--counts 2,10] [--kaldi DIR]

The difference of averaging many and few models over their number. The floor is the bytes of a model at the
rate of a copy.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.floor import copy_rate
from benchmarks.options import existing, few_and_many, one_line
from benchmarks.paired import COLUMNS, Cost, against, begin, kaldis, ours, parser, run, table
from benchmarks.step_job import NETWORKS, chosen, make_model


@one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print a table in markdown."""
    p = parser(__doc__)
    p.add_argument(
        "--networks", type=existing, required=True, help="folder with tdnn.xconfig, tdnnf.xconfig, ..."
    )
    p.add_argument("--only", default="", help="one network")
    p.add_argument("--counts", type=few_and_many, default="2,10", help="few and many models (2,10)")
    options = p.parse_args(argv)
    networks = chosen(NETWORKS, options.only, options.networks)
    begin(options)
    table(*COLUMNS)
    for network in networks:
        with tempfile.TemporaryDirectory() as folder:
            measure(make_model(network, options.networks, Path(folder)), network.name, options)
    return 0


def measure(model: Path, name: str, options: argparse.Namespace) -> None:
    """Print the row of one model."""
    few, many = options.counts

    def cost(command: Sequence[object]) -> Cost:
        costs = [run([*command, *[model] * n, model.parent / "average.raw"]) for n in (few, many)]
        return (costs[1] - costs[0]).over(many - few)

    peer = kaldis(options.kaldi, "nnet3-average")
    size = model.stat().st_size
    against(
        f"{name}, {size / 1e6:.0f} MB",
        lambda: cost(ours("nnet3-average")),
        {"Kaldi": lambda: cost(peer or [])} if peer else {},
        options.repeats,
        size / copy_rate(),
    )


if __name__ == "__main__":
    raise SystemExit(main())

"""N training jobs on one machine, as one iteration of a training runs them: ours and Kaldi's.

usage: python -m benchmarks.jobs --networks DIR [--only tdnnf] [--jobs 1,2,4] [--cores 2] [--kaldi DIR]

Every job has max(1, cores / jobs) BLAS threads and trains on the same examples. The time is that of a
minibatch of all jobs together: the difference of many and few minibatches, over their number and the number
of jobs. The floor is that of a minibatch on one core, divided by the number of cores.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.floor import products, rate_of_a_program
from benchmarks.options import counts, existing, one_line
from benchmarks.paired import (
    COLUMNS,
    Cost,
    against,
    begin,
    kaldis,
    ours,
    parser,
    run_beside,
    set_threads,
    table,
)
from benchmarks.step_job import NETWORKS, Network, chosen, prepare
from egs.arguments import count

COUNTS = (2, 6)


@one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print a table in markdown."""
    p = parser(__doc__)
    p.add_argument(
        "--networks", type=existing, required=True, help="folder with tdnn.xconfig, tdnnf.xconfig, ..."
    )
    p.add_argument("--only", default="tdnnf", help="the network")
    p.add_argument("--jobs", type=counts, default="1,2,4", help="how many beside each other (1,2,4)")
    p.add_argument("--cores", type=count, default=2, help="of the machine (2)")
    options = p.parse_args(argv)
    network = chosen(NETWORKS, options.only, options.networks)[0]
    begin(options)
    table(*COLUMNS)
    with tempfile.TemporaryDirectory() as folder:
        nnet = prepare(network, options.networks, Path(folder), COUNTS)
        set_threads(1)
        floor = products(nnet, network) / rate_of_a_program()
        for jobs in options.jobs:
            measure(network, Path(folder), options, jobs, floor / options.cores)
    return 0


def measure(network: Network, folder: Path, options: argparse.Namespace, jobs: int, floor: float) -> None:
    """Print the row of so many jobs."""
    threads = max(1, options.cores // jobs)
    set_threads(threads)
    peer = kaldis(options.kaldi, "nnet3-train", "--use-gpu=no")
    against(
        f"{network.name}, {jobs} x {threads} threads",
        lambda: per_minibatch(ours("nnet3-train", "--use-gpu=no"), folder, jobs),
        {"Kaldi": lambda: per_minibatch(peer or [], folder, jobs)} if peer else {},
        options.repeats,
        floor,
    )


def per_minibatch(command: Sequence[object], folder: Path, jobs: int) -> Cost:
    """The cost of a minibatch where `jobs` copies of a program run beside each other."""
    few, many = (
        run_beside(
            [
                [*command, folder / "model.raw", f"ark:{folder / name}.ark", folder / f"{n}.raw"]
                for n in range(jobs)
            ]
        )
        for name in ("few", "many")
    )
    return (many - few).over((COUNTS[1] - COUNTS[0]) * jobs)


if __name__ == "__main__":
    raise SystemExit(main())

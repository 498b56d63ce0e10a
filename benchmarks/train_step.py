"""A training minibatch: ours, Kaldi's nnet3-train, PyTorch; time and peak memory as ratios within one run.

usage: python -m benchmarks.train_step --networks DIR [--threads 1] [--repeats 3] [--kaldi DIR]

Each program trains on few and on many minibatches; the difference, over their number, is the time of one.
`--torch` and `--torch-compiled` need the extra `bench`. The floor is the operations of the matrix products
over the sgemm rate that numpy reaches in the same run.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.floor import products, rate_of_a_program
from benchmarks.options import existing, one_line
from benchmarks.paired import COLUMNS, Cost, against, begin, kaldis, ours, parser, run, table
from benchmarks.step_job import NETWORKS, Network, chosen, prepare

COUNTS = (12, 28)  # natural gradient moves its estimate in each of the first ten, then in every fourth


@one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print a table in markdown."""
    p = parser(__doc__)
    p.add_argument(
        "--networks", type=existing, required=True, help="folder with tdnn.xconfig, tdnnf.xconfig, ..."
    )
    p.add_argument("--only", default="", help="one network")
    p.add_argument("--torch", action="store_true", help="time PyTorch too, plain SGD")
    p.add_argument("--torch-compiled", action="store_true", help="and what torch.compile makes of it")
    options = p.parse_args(argv)
    networks = chosen(NETWORKS, options.only, options.networks)
    begin(options)
    table(*COLUMNS)
    for network in networks:
        with tempfile.TemporaryDirectory() as folder:
            measure(network, Path(folder), options)
    return 0


def measure(network: Network, folder: Path, options: argparse.Namespace) -> None:
    """Print the rows of one network."""
    nnet = prepare(network, options.networks, folder, COUNTS)
    floor = products(nnet, network) / rate_of_a_program()
    here = [sys.executable, "-m"]
    peers: dict[str, list[object] | None] = {
        "ours without natural gradient": [*here, "benchmarks.plain_sgd"],
        "Kaldi": kaldis(options.kaldi, "nnet3-train", "--use-gpu=no"),
        "PyTorch eager, plain SGD": [*here, "benchmarks.torch_step"] if options.torch else None,
        "PyTorch compiled, plain SGD": [*here, "benchmarks.torch_step", "--compile"]
        if options.torch_compiled
        else None,
    }
    if options.torch_compiled:  # what was compiled is kept on disk, and then starts sooner
        per_minibatch(peers["PyTorch compiled, plain SGD"] or [], folder)
    against(
        network.name,
        lambda: per_minibatch(ours("nnet3-train", "--use-gpu=no"), folder),
        {
            name: lambda peer=peer: per_minibatch(peer, folder)  # type: ignore[misc]
            for name, peer in peers.items()
            if peer
        },
        options.repeats,
        floor,
    )


def per_minibatch(command: Sequence[object], folder: Path) -> Cost:
    """The cost of a minibatch of a training program; the memory is that of the longer run."""
    few, many = (
        run([*command, folder / "model.raw", f"ark:{folder / name}.ark", folder / "out.raw"])
        for name in ("few", "many")
    )
    return (many - few).over(COUNTS[1] - COUNTS[0])


if __name__ == "__main__":
    raise SystemExit(main())

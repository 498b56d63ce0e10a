"""Inference: nnet3-compute over whole utterances, ours against Kaldi's and PyTorch's; are the results equal?

usage: python -m benchmarks.inference --networks DIR [--only tdnnf] [--utterances 1,17] [--frames 1200]
                                      [--chunk 150] [--kaldi DIR] [--torch] [--torch-compiled]

The time of many utterances less that of few, so without start-up. The floor is the operations of the matrix
products of the chunks at the rate of sgemm. PyTorch computes the chunks of an utterance as one batch.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.floor import forward_products, rate_of_a_program
from benchmarks.options import existing, few_and_many, one_line
from benchmarks.paired import COLUMNS, Cost, against, begin, kaldis, ours, parser, run, table
from benchmarks.step_job import NETWORKS, Network, call, chosen, prepare
from egs.arguments import count
from nnet.formats.kinds import MATRIX, VECTOR
from nnet.formats.tables import TableWriter, read_table
from nnet.graph.network import Nnet


@one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print a table in markdown, then the largest difference of the outputs."""
    p = parser(__doc__)
    p.add_argument(
        "--networks", type=existing, required=True, help="folder with tdnn.xconfig, tdnnf.xconfig, ..."
    )
    p.add_argument("--only", default="tdnnf", help="the network")
    p.add_argument("--utterances", type=few_and_many, default="1,17", help="few and many (1,17)")
    p.add_argument("--frames", type=count, default=1200, help="frames of an utterance (1200)")
    p.add_argument("--chunk", type=count, default=150, help="frames of a chunk (150)")
    p.add_argument("--torch", action="store_true", help="time PyTorch too")
    p.add_argument("--torch-compiled", action="store_true", help="and what torch.compile makes of it")
    options = p.parse_args(argv)
    network = chosen(NETWORKS, options.only, options.networks)[0]
    begin(options)
    with tempfile.TemporaryDirectory() as folder:
        measure(network, Path(folder), options)
    return 0


def measure(network: Network, folder: Path, options: argparse.Namespace) -> None:
    """Print the row of each peer, and how far its results are from ours."""
    nnet = prepare(network, options.networks, folder, (1, 1))
    few, many = options.utterances
    inputs = {
        "few": write_inputs(nnet, folder, "few", few, options.frames),
        "many": write_inputs(nnet, folder, "many", many, options.frames),
    }
    model = folder / "trained.raw"  # with statistics for batch-norm
    call("nnet.programs.nnet3_train", "--use-gpu=no", folder / "model.raw", f"ark:{folder}/few.ark", model)
    rule = f"--frames-per-chunk={options.chunk}"

    def cost(command: Sequence[object], name: str) -> Cost:
        small, large = (
            run([*command, rule, *inputs[size][:-1], model, inputs[size][-1], f"ark:{folder}/{name}.{size}"])
            for size in ("few", "many")
        )
        return large - small

    peers = peers_of(options)
    if options.torch_compiled:  # what was compiled is kept on disk, and then starts sooner
        cost(torch("--compile"), "warm")
    table(*COLUMNS)
    frames = (many - few) * options.frames
    against(
        f"{network.name}, {frames} frames",
        lambda: cost(ours("nnet3-compute", "--use-gpu=no"), "ours"),
        {name: partial(cost, peer, name.split()[-1]) for name, peer in peers.items()},
        options.repeats,
        frames / options.chunk * forward_products(nnet, options.chunk) / rate_of_a_program(),
    )
    for name in peers:
        largest = difference(folder / "ours.few", folder / f"{name.split()[-1]}.few")
        print(f"\nlargest difference from {name}: {largest:.2g}")


def peers_of(options: argparse.Namespace) -> dict[str, list[object]]:
    """The command lines of those we are measured against, by name."""
    peers = {
        "Kaldi": kaldis(options.kaldi, "nnet3-compute", "--use-gpu=no"),
        "PyTorch eager": torch() if options.torch else None,
        "PyTorch compiled": torch("--compile") if options.torch_compiled else None,
    }
    return {name: peer for name, peer in peers.items() if peer}


def torch(*more: str) -> list[object]:
    """The command line of the peer in PyTorch."""
    return [sys.executable, "-m", "benchmarks.torch_compute", *more]


def write_inputs(nnet: Nnet, folder: Path, name: str, count: int, frames: int) -> list[str]:
    """Random features, and i-vectors where the network has them: the options and the rspecifier for them."""
    rng = np.random.default_rng(1)
    with TableWriter(f"ark:{folder}/feats.{name}", MATRIX) as out:
        for n in range(count):
            out.write(f"utt{n:03}", rng.standard_normal((frames, nnet.input_dim())).astype(np.float32))
    words = []
    if "ivector" in nnet.input_names():
        with TableWriter(f"ark:{folder}/ivectors.{name}", VECTOR) as out:
            for n in range(count):
                out.write(f"utt{n:03}", rng.standard_normal(nnet.input_dim("ivector")).astype(np.float32))
        words = [f"--ivectors=ark:{folder}/ivectors.{name}"]
    return [*words, f"ark:{folder}/feats.{name}"]


def difference(one: Path, other: Path) -> float:
    """The largest absolute difference of the matrices of two archives."""
    matrices = dict(read_table(f"ark:{other}", MATRIX))
    return max(float(np.abs(m - matrices[key]).max()) for key, m in read_table(f"ark:{one}", MATRIX))


if __name__ == "__main__":
    raise SystemExit(main())

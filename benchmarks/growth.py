"""How the cost of a training minibatch grows with frames and with layers: a TDNN-F of growing depth, length.

usage: python -m benchmarks.growth [--frames 25,50,100,200] [--layers 4,8,16] [--threads 1] [--dim 512]

32 sequences a minibatch. Frames grow at the middle depth, layers at 50 frames. The floor is the operations of
the matrix products at the rate of sgemm with the same threads.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.floor import products, rate_of_a_program
from benchmarks.options import counts, one_line
from benchmarks.paired import median, megabytes, ours, parser, row, set_threads, table
from benchmarks.step_job import Network, prepare
from benchmarks.train_step import COUNTS, per_minibatch
from egs.arguments import count

SEQUENCES, STANDARD = 32, 50


@one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print a table in markdown."""
    p = parser(__doc__, repeats=1)
    p.add_argument("--frames", type=counts, default="25,50,100,200", help="of a sequence (25,50,100,200)")
    p.add_argument("--layers", type=counts, default="4,8,16", help="after the first (4,8,16)")
    p.add_argument("--dim", type=count, default=512, help="of the hidden layers (512)")
    options = p.parse_args(argv)
    set_threads(options.threads)
    rate = rate_of_a_program()
    layers, frames = options.layers, options.frames
    table(
        "layers", "frames", "ms a minibatch", "us a frame and layer", "peak, MB", "floor, ms", "ours / floor"
    )
    for depth, length in [*((layers[len(layers) // 2], f) for f in frames), *((n, STANDARD) for n in layers)]:
        measure(depth, length, options, rate)
    return 0


def measure(layers: int, frames: int, options: argparse.Namespace, rate: float) -> None:
    """Print the row of one size."""
    network = Network("growing", SEQUENCES, frames)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "growing.xconfig").write_text(xconfig(layers, options.dim))
        nnet = prepare(network, folder, folder / "job", COUNTS)
        command = ours("nnet3-train", "--use-gpu=no")
        cost = median([per_minibatch(command, folder / "job") for _ in range(options.repeats)])
        floor = products(nnet, network) / rate
    each = 1e6 * cost.wall / (layers * frames * SEQUENCES)
    row(layers, frames, 1000 * cost.wall, each, megabytes(cost), 1000 * floor, cost.wall / floor)


def xconfig(layers: int, dim: int) -> str:
    """A TDNN-F of so many layers after its first one."""
    lines = ["input dim=40 name=input", f"relu-batchnorm-layer name=tdnn1 dim={dim} input=Append(-1,0,1)"]
    for n in range(2, layers + 2):
        stride = 1 if n < layers // 2 else 3
        lines.append(f"tdnnf-layer name=tdnnf{n} dim={dim} bottleneck-dim={dim // 8} time-stride={stride}")
    return "\n".join([*lines, "output-layer name=output dim=1000"]) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())

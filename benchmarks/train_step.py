"""A training minibatch: ours, Kaldi's nnet3-train, PyTorch; time and peak memory as ratios within one run.

usage: python -m benchmarks.train_step --networks DIR [--threads 1] [--repeats 3] [--kaldi DIR]

Each program trains on few and on many minibatches; the difference, over their number, is the time of one.
Programs
take turns, and the median of the ratios pair by pair is shown. `--torch` needs the extra `bench`. The
floor is the
operations of the matrix products over the sgemm rate that numpy reaches in the same run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.floor import products, sgemm_rate
from benchmarks.step_job import NETWORKS, Network, prepare

COUNTS = (2, 10)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print a table in markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--networks", type=Path, required=True, help="folder with tdnn.xconfig, tdnnf.xconfig, ..."
    )
    parser.add_argument("--only", default="", help="one network")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kaldi", type=Path, help="folder with Kaldi's nnet3-train")
    parser.add_argument("--torch", action="store_true", help="time PyTorch too, plain SGD")
    options = parser.parse_args(argv)
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(options.threads)
    print("| network | peer | ours, ms | peer, ms | ours / peer | ours, MB | peer, MB | floor, ms |")
    print("|---|---|---|---|---|---|---|---|")
    for network in NETWORKS:
        if options.only in ("", network.name) and (options.networks / f"{network.name}.xconfig").exists():
            with tempfile.TemporaryDirectory() as folder:
                measure(network, Path(folder), options)
    return 0


def measure(network: Network, folder: Path, options: argparse.Namespace) -> None:
    """Print the rows of one network."""
    nnet = prepare(network, options.networks, folder, COUNTS)
    floor = 1000 * products(nnet, network) / sgemm_rate()
    ours = [sys.executable, "-m", "nnet.programs.nnet3_train", "--use-gpu=no"]
    peers: dict[str, list[str]] = {
        "ours without natural gradient": [sys.executable, "-m", "benchmarks.plain_sgd"]
    }
    if options.kaldi:
        peers["Kaldi"] = [str(options.kaldi / "nnet3-train"), "--use-gpu=no"]
    if options.torch:
        peers["PyTorch eager, plain SGD"] = [sys.executable, "-m", "benchmarks.torch_step"]
    for name, peer in peers.items():
        pairs = [(per_minibatch(ours, folder), per_minibatch(peer, folder)) for _ in range(options.repeats)]
        times = [statistics.median(p[i][0] for p in pairs) for i in (0, 1)]
        memory = [max(p[i][1] for p in pairs) for i in (0, 1)]
        ratio = statistics.median(a[0] / b[0] for a, b in pairs)
        print(
            f"| {network.name} | {name} | {times[0]:.0f} | {times[1]:.0f} | {ratio:.2f} | {memory[0]:.0f} "
            f"| {memory[1]:.0f} | {floor:.0f} |",
            flush=True,
        )


def per_minibatch(command: list[str], folder: Path) -> tuple[float, float]:
    """Milliseconds a minibatch, and peak memory in MB, of a training program."""
    runs = [timed([*command, str(folder / "model.raw"), f"ark:{folder / name}.ark", str(folder / "out.raw")])
            for name in ("few", "many")]  # fmt: skip
    return 1000 * (runs[1][0] - runs[0][0]) / (COUNTS[1] - COUNTS[0]), runs[1][1]


def timed(command: list[str]) -> tuple[float, float]:
    """Wall seconds and peak memory (MB) of a command. Raises RuntimeError with its last lines if it fails."""
    with tempfile.TemporaryFile() as log:
        start = time.monotonic()
        child = subprocess.Popen(command, stdout=log, stderr=log)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            log.seek(0)
            raise RuntimeError(f"{command[0]} failed: {log.read().decode(errors='replace')[-400:]}")
    return seconds, usage.ru_maxrss / 1024


if __name__ == "__main__":
    raise SystemExit(main())

"""Minibatches of ours and of PyTorch in turns, one by one: the ratio that noise on the machine moves least.

usage: python -m benchmarks.steps_in_turn --networks DIR [--only tdnnf] [--periods 10] [--also "VAR=value"]

Every side is a process that waits while others compute. A period is four minibatches, in which natural
gradient moves its estimates once; the first minibatches, in which it moves every time, are not counted. Shown
are the best period and the median, in ms a minibatch, and what they are of PyTorch's; the median of ratios
period by period, in wall and in processor time. `--also` adds ours again with that environment.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks.paired import existing, row, set_threads, table
from benchmarks.step_job import NETWORKS, Network, chosen, prepare
from nnet.allocation import keep_freed_memory
from nnet.examples.stream import read_minibatches
from nnet.formats.model import read_nnet
from nnet.kernels.cblas import share_products
from nnet.minibatch import Minibatch
from nnet.trainer import Trainer

COLUMNS = (
    "network",
    "side",
    "best, ms",
    "median, ms",
    "best / PyTorch",
    "median / PyTorch",
    "wall",
    "processor",
)
PERIOD, WARM = 4, 12  # minibatches
Times = tuple[float, float]  # wall, processor
OURS, PLAIN, TORCH = "ours", "ours without natural gradient", "PyTorch eager, plain SGD"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print a table in markdown."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--networks", type=existing, help="folder with tdnn.xconfig, tdnnf.xconfig, ...")
    p.add_argument("--only", default="", help="one network")
    p.add_argument("--periods", type=int, default=10)
    p.add_argument("--threads", type=int, default=1, help="BLAS threads of every process")
    p.add_argument("--also", default="", help="ours again, with this in its environment")
    p.add_argument("--serve", nargs=2, metavar=("SIDE", "FOLDER"), help=argparse.SUPPRESS)
    options = p.parse_args(argv)
    if options.serve:
        serve(options.serve[0], Path(options.serve[1]))
        return 0
    set_threads(options.threads)
    table(*COLUMNS)
    feedforward = [n for n in NETWORKS if n.name != "lstm"]
    for network in chosen(feedforward, options.only, options.networks):
        measure(network, options.networks, options.periods, options.also)
    return 0


def measure(network: Network, xconfigs: Path, periods: int, also: str) -> None:
    """Print the rows of one network."""
    sides = [(OURS, OURS, ""), (PLAIN, PLAIN, ""), (TORCH, TORCH, "")]
    if also:
        sides.insert(1, (f"{OURS}, {also}", OURS, also))
    with tempfile.TemporaryDirectory() as folder:
        prepare(network, xconfigs, Path(folder), (1, PERIOD))
        started = [start(side, folder, extra) for _, side, extra in sides]
        steps: list[list[Times]] = [[] for _ in sides]
        for number in range(WARM + PERIOD * periods):
            for k in range(len(sides)):
                at = (k + number) % len(sides)
                steps[at].append(one_step(started[at]))
        for process in started:
            process.communicate()
    wall, cpu = ([means([t[kind] for t in s[WARM:]]) for s in steps] for kind in range(2))
    for k, (name, _, _) in enumerate(sides):
        best, middle = min(wall[k]), median(wall[k])
        ratios = [median(a / b for a, b in zip(t[k], t[-1])) for t in (wall, cpu)]
        relative = best / min(wall[-1]), middle / median(wall[-1])
        row(network.name, name, 1000 * best, 1000 * middle, *relative, *ratios)


def means(seconds: Sequence[float]) -> list[float]:
    """Of each period."""
    return [sum(seconds[i : i + PERIOD]) / PERIOD for i in range(0, len(seconds), PERIOD)]


def start(side: str, folder: str, extra: str) -> subprocess.Popen[str]:
    """A process that does one minibatch of `side` whenever it is told a line."""
    name, _, value = extra.partition("=")
    command = [sys.executable, "-m", "benchmarks.steps_in_turn", "--serve", side, folder]
    env = {**os.environ, name: value} if name else None
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)


def one_step(process: subprocess.Popen[str]) -> Times:
    """What the process says its next minibatch took. Raises RuntimeError if it ended."""
    assert process.stdin and process.stdout
    print(file=process.stdin, flush=True)
    answer = process.stdout.readline()
    if not answer:
        raise RuntimeError(f"{' '.join(map(str, process.args))} ended")  # type: ignore[arg-type]
    wall, cpu = answer.split()
    return float(wall), float(cpu)


def serve(side: str, folder: Path) -> None:
    """Answer every line of the input by the seconds of one more minibatch, wall and processor."""
    step = torchs(folder) if side == TORCH else ours(folder, plain=side == PLAIN)
    batches = endless(folder)
    for _ in sys.stdin:
        batch = next(batches)
        begin = time.perf_counter(), time.process_time()
        step(batch)
        print(time.perf_counter() - begin[0], time.process_time() - begin[1], flush=True)


def endless(folder: Path) -> Iterator[Minibatch]:
    """The same few minibatches again and again."""
    batches = list(read_minibatches(f"ark:{folder}/many.ark", read_nnet(str(folder / "model.raw"))))
    while True:
        yield from batches


def ours(folder: Path, plain: bool) -> Callable[[Minibatch], None]:
    """A step as nnet3-train makes it; `plain` without natural gradient."""
    keep_freed_memory()  # as every program does
    share_products()
    trainer = Trainer(read_nnet(str(folder / "model.raw")))
    for c in trainer.delta.values():
        if plain and hasattr(c, "is_gradient"):
            c.is_gradient = True
    return trainer.step


def torchs(folder: Path) -> Callable[[Minibatch], None]:
    """A step of PyTorch."""
    from benchmarks.torch_step import stepper  # noqa: PLC0415 - PyTorch is an extra

    return stepper(str(folder / "model.raw"))[0]


if __name__ == "__main__":
    raise SystemExit(main())

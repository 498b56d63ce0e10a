"""On a GPU: the device tests, then a training step against PyTorch compiled with TF32 and plain SGD.

usage: python -m benchmarks.gpu --networks DIR [--output gpu-figures.md] [--only NAME] [--steps 30]
                                [--no-tests]

DIR has tdnnf.xconfig and lstm.xconfig; tdnnf17.xconfig lies beside this program. Prints a table in markdown,
and writes it, with card, command and date, after every row: milliseconds of a step with TF32, launched kernel
by kernel and as CUDA graphs, that without natural gradient, the share of it that its large matrix products
take by themselves, and PyTorch's. No network is begun after eight minutes. Needs the extras cuda12 (or
cuda13), dev and bench.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.options import existing, one_line
from benchmarks.step_job import Network, prepare
from egs.arguments import Parser, count
from nnet import tree
from nnet.backend import array_module, gpu_available, to_device
from nnet.component import params
from nnet.device import allow_tf32, batch_on_gpu, own_stream
from nnet.examples.stream import read_minibatches
from nnet.files import atomic_write
from nnet.graph.network import Nnet
from nnet.graph.plan import PlanCache, Request
from nnet.kernels import products
from nnet.minibatch import Minibatch, SparseTarget
from nnet.trainer import Trainer, TrainerOptions

HERE = Path(__file__).parent
NETWORKS = (Network("tdnnf", 128, 150), Network("lstm", 64, 20, extra_left=20), Network("tdnnf17", 128, 150))
TESTS = tuple(
    f"tests/nnet/{name}.py"
    for name in ("components/test_on_device", "test_trainer_on_device", "test_captured", "test_upload")
)
COLUMNS = (
    *("network", "by kernels, ms", "by graphs, ms", "launched as graphs", "without natural gradient, ms"),
    *("products", "PyTorch, ms", "ours / PyTorch"),
)
TORCH_DEVICE = "cuda"
PATIENCE = 480.0  # seconds after which no further network is begun
BLOCKS = 3  # of steps that are timed; the one in the middle counts
WARM_UP = 100  # steps that do not count: all kinds of minibatch have graphs then

Step = Callable[[], Any]


@one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Test, measure, print; 1 if there is no GPU or a test fails."""
    p = Parser(__doc__ or "")
    p.add_argument(
        "--networks", type=existing, required=True, help="folder with tdnnf.xconfig and lstm.xconfig"
    )
    p.add_argument("--output", type=Path, default=Path("gpu-figures.md"), help="file for the table")
    p.add_argument("--only", default="", help="one network")
    p.add_argument("--steps", type=count, default=30, help="steps that are timed together")
    p.add_argument("--no-tests", action="store_true", help="measure only")
    options = p.parse_args(argv)
    networks = [n for n in NETWORKS if options.only in ("", n.name)]
    if not networks:
        raise ValueError(f"--only={options.only}: there are {', '.join(n.name for n in NETWORKS)}")
    if not gpu_available():
        print("no GPU can be used: nothing was measured", file=sys.stderr)
        return 1
    start = time.monotonic()
    if not options.no_tests:
        words = ["-m", "pytest", "-q", *TESTS, "-k", "real", "-p", "no:xdist"]
        if subprocess.run([sys.executable, *words], cwd=HERE.parent, check=False).returncode:
            return 1
    lines = heading(sys.argv[1:] if argv is None else argv)
    print("\n".join(lines))
    for network in networks:
        if time.monotonic() - start > PATIENCE:
            lines.append(f"\n{network.name}: not measured, time was up")
        else:
            folder = HERE if network.name == "tdnnf17" else options.networks
            lines.append("| " + " | ".join(measure(network, folder, options.steps, TORCH_DEVICE)) + " |")
        print(lines[-1], flush=True)
        with atomic_write(options.output, text=True) as stream:
            stream.write("\n".join(lines) + "\n")
    return 0


def heading(argv: Sequence[str]) -> list[str]:
    """Which card, which command, when; and the head of the table."""
    runtime = array_module(to_device(np.zeros(1, np.float32))).cuda.runtime
    card = runtime.getDeviceProperties(0)["name"].decode()
    versions = f"driver {runtime.driverGetVersion()}, runtime {runtime.runtimeGetVersion()}"
    command = f"python -m benchmarks.gpu {shlex.join(argv)}"
    said = f"{card} ({versions}), {time.strftime('%Y-%m-%d %H:%M')}: `{command}`"
    return [said, "", "| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]


def measure(network: Network, xconfigs: Path, steps: int, device: str) -> list[str]:
    """One row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        nnet = prepare(network, xconfigs, Path(folder), (1, 1))
        batch = next(iter(read_minibatches(f"ark:{folder}/few.ark", nnet)))
    theirs = 1000 * seconds(torch_step(nnet, batch, device), steps)
    nnet.components.update({name: tree.on_device(c) for name, c in nnet.components.items()})
    allow_tf32(True)
    with own_stream():
        there = batch_on_gpu(batch)
        kernels = 1000 * seconds(our_step(nnet, there)[1], steps)
        share = 1000 * products_alone(our_step(nnet, there)[1], steps)
        trainer, step = our_step(nnet, there, graphs=True)
        ours = 1000 * seconds(step, steps, WARM_UP)
        for _, c in tree.updatable(nnet.components):
            c.is_gradient = True
        plain = 1000 * seconds(our_step(nnet, there, graphs=True)[1], steps, WARM_UP)
    launched = (trainer.num_launched / trainer.num_minibatches, share / ours)
    figures = [f"{kernels:.2f}", f"{ours:.2f}", f"{launched[0]:.0%}", f"{plain:.2f}", f"{launched[1]:.0%}"]
    return [network.name, *figures, f"{theirs:.2f}", f"{ours / theirs:.2f}"]


def our_step(nnet: Nnet, batch: Minibatch, graphs: bool = False) -> tuple[Trainer, Step]:
    """A step of training; it logs nothing, so the host waits at the first one only."""
    options = TrainerOptions(print_interval=1 << 30, cuda_graphs=graphs)
    trainer = Trainer(nnet, options, lambda line: print(line, file=sys.stderr))
    wait = _waiting(nnet)

    def step(last: bool = False) -> None:
        trainer.step(batch)
        if last:
            wait()

    return trainer, step


def _waiting(nnet: Nnet) -> Step:
    """What waits for the device."""
    held = [a for c in nnet.components.values() for a in params(c).values()]
    cuda = array_module(held[0]).cuda
    return lambda: cuda.get_current_stream().synchronize()


def seconds(step: Callable[..., Any], steps: int, warm_up: int = 0) -> float:
    """Of one step: of several blocks of `steps` in a row the one in the middle, after at least as many steps
    that do not count; `step(True)` waits for its end.
    """
    for i in range(max(steps, warm_up)):
        step(i == max(steps, warm_up) - 1)
    found = []
    for _ in range(BLOCKS):
        start = time.perf_counter()
        for i in range(steps):
            step(i == steps - 1)
        found.append((time.perf_counter() - start) / steps)
    return sorted(found)[BLOCKS // 2]


def products_alone(step: Callable[..., Any], steps: int) -> float:
    """Seconds that the matrix products of a step take when nothing else runs, the same operands again."""
    calls: list[tuple[Any, ...]] = []
    gemm = products.Cublas.gemm
    step(True)
    products.Cublas.gemm = lambda self, *call: (calls.append((self, *call)), gemm(self, *call))[1]  # type: ignore[method-assign]
    try:
        step(True)
    finally:
        products.Cublas.gemm = gemm  # type: ignore[method-assign]
    cuda = calls[0][0].cupy.cuda

    def again(last: bool) -> None:
        for call in calls:
            gemm(*call)
        if last:
            cuda.get_current_stream().synchronize()

    return seconds(again, steps)


def torch_step(nnet: Nnet, batch: Minibatch, device: str) -> Callable[..., Any]:
    """A step of plain SGD in PyTorch, compiled, with TF32 where there is a GPU."""
    import torch  # noqa: PLC0415 - the extra `bench`

    torch.set_float32_matmul_precision("high")
    target = batch.outputs["output"]
    assert isinstance(target, SparseTarget)
    at = [torch.from_numpy(i).to(device) for i in (target.t, target.n, target.column)]
    weight = torch.from_numpy(target.weight).to(device)
    xs = {name: torch.from_numpy(x).to(device) for name, (_, x) in batch.inputs.items()}
    forward, weights = _torch_network(nnet, batch, device)
    compiled = torch.compile(forward) if device == "cuda" else forward
    optimizer = torch.optim.SGD(weights, lr=1e-5)

    def step(last: bool = False) -> float | None:
        optimizer.zero_grad()
        value = (compiled(xs)[at[0], at[1], at[2]] * weight).sum()
        (-value).backward()
        optimizer.step()
        if last and device == "cuda":
            torch.cuda.synchronize()
        return float(value.detach()) if last else None

    return step


def _torch_network(nnet: Nnet, batch: Minibatch, device: str) -> tuple[Callable[[dict], Any], list[Any]]:
    """From inputs to log-probabilities, and what is trained."""
    import torch  # noqa: PLC0415

    from benchmarks import torch_lstm  # noqa: PLC0415 - they import torch
    from benchmarks import torch_step as plain  # noqa: PLC0415

    frames = {name: frames for name, (frames, _) in batch.inputs.items()}
    labelled = batch.outputs["output"].frames
    if any(type(c).__name__ == "LstmNonlinearity" for c in nnet.components.values()):
        w = torch_lstm.weights_of(nnet, device)
        return lambda xs: torch_lstm.outputs(w, xs["input"], len(labelled)), list(w.values())
    plan = PlanCache(nnet)(Request(frames, {"output": labelled}))
    weights = {
        name: {k: torch.tensor(a, device=device, requires_grad=True) for k, a in params(c).items()}
        for name, c in nnet.components.items()
    }

    def forward(xs: dict[str, Any]) -> Any:
        with torch.device(device):  # for what is made on the way
            return plain.outputs(nnet, plan, weights, dict(xs))

    return forward, [w for ws in weights.values() for w in ws.values()]


if __name__ == "__main__":
    raise SystemExit(main())

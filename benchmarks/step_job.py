"""What is timed: a model and archives of merged random examples for the networks of a folder of xconfigs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnet.formats.examples import EXAMPLE, NnetExample, NnetIo
from nnet.formats.matrix import from_pairs
from nnet.formats.model import read_nnet
from nnet.formats.tables import TableWriter
from nnet.graph.context import context
from nnet.graph.network import Nnet


@dataclass(frozen=True)
class Network:
    """A network to train: sequences and labelled frames of a minibatch, extra frames of left context."""

    name: str
    sequences: int
    frames: int
    extra_left: int = 0


NETWORKS = (Network("tdnn", 256, 8), Network("tdnnf", 32, 50), Network("lstm", 64, 20, extra_left=20))


def chosen(networks: Sequence[Network], only: str, xconfigs: Path) -> list[Network]:
    """Those of `networks` that have an xconfig, or `only` one. Raises ValueError if there is none."""
    names = [only] if only else [n.name for n in networks]
    found = [n for n in networks if n.name in names and (xconfigs / f"{n.name}.xconfig").is_file()]
    if not found:
        known = ", ".join(n.name for n in networks)
        raise ValueError(
            f"{xconfigs} has no {' or '.join(names)}.xconfig to measure; --only may name {known}"
        )
    return found


def make_model(network: Network, xconfigs: Path, folder: Path) -> Path:
    """Write folder/model.raw, the initial model."""
    folder.mkdir(parents=True, exist_ok=True)
    text = (xconfigs / f"{network.name}.xconfig").read_text().replace("DIR", str(folder))
    (folder / "network.xconfig").write_text(text)
    call(
        "nnet.programs.xconfig_to_configs",
        "--xconfig-file",
        folder / "network.xconfig",
        "--config-dir",
        folder,
    )
    call("nnet.programs.nnet3_init", "--srand=1", folder / "final.config", folder / "model.raw")
    return folder / "model.raw"


def prepare(network: Network, xconfigs: Path, folder: Path, counts: tuple[int, int]) -> Nnet:
    """Write folder/{model.raw,few.ark,many.ark}: the initial model and `counts` minibatches of examples."""
    nnet = read_nnet(str(make_model(network, xconfigs, folder)))
    rng = np.random.default_rng(0)
    for name, count in zip(("few", "many"), counts):
        with TableWriter(f"ark:{folder / name}.ark", EXAMPLE) as out:
            for i in range(count):
                out.write(f"merged-{i}", example(network, nnet, rng))
    return nnet


def example(network: Network, nnet: Nnet, rng: np.random.Generator) -> NnetExample:
    """One minibatch as nnet3-merge-egs writes it: random features, one random label a frame."""
    left, right = context(nnet)
    n = network.sequences
    io = [
        _dense("input", range(-left - network.extra_left, network.frames + right), n, nnet.input_dim(), rng)
    ]
    if "ivector" in nnet.input_names():
        io.append(_dense("ivector", range(1), n, nnet.input_dim("ivector"), rng))
    classes = nnet.output_dim("output")
    labels = rng.integers(0, classes, n * network.frames)
    posterior = from_pairs([[(int(c), 1.0)] for c in labels], classes)
    return NnetExample([*io, NnetIo("output", _indexes(range(network.frames), n), posterior)])


def _dense(name: str, frames: range, n: int, dim: int, rng: np.random.Generator) -> NnetIo:
    return NnetIo(name, _indexes(frames, n), rng.standard_normal((n * len(frames), dim)).astype(np.float32))


def _indexes(frames: range, n: int) -> np.ndarray:
    return np.array([(s, t, 0) for s in range(n) for t in frames], np.int32)


def call(module: str, *arguments: object) -> None:
    """Run one of our programs quietly. Raises ValueError with the last line it said if it fails."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"{module} failed: {done.stderr.strip().rpartition(chr(10))[2]}")

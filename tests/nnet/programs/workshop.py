"""A folder of small files that fit each other, and our programs run on them inside the test's process."""

from __future__ import annotations

import builtins
import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from nnet.component import params
from nnet.examples.merge import merge_examples
from nnet.formats.examples import EXAMPLE, NnetExample, NnetIo
from nnet.formats.kinds import INT_VECTOR, MATRIX, POSTERIOR, VECTOR, Kind
from nnet.formats.matrix import from_pairs
from nnet.formats.model import am_nnet, read_nnet, write_am, write_nnet
from nnet.formats.tables import TableWriter, read_table
from nnet.formats.topology import HmmState, topology
from nnet.formats.transitions import transition_model
from nnet.formats.tree import monophone_tree, write_tree
from nnet.graph.network import Nnet
from tests.networks import TDNN, network
from tests.nnet.examples.toys import frame_example

DIM, CLASSES, IVECTOR = 5, 4, 3
LENGTHS = {"u0": 61, "u1": 24, "u2": 1, "u3": 50}
PLAIN = TDNN.replace("continuous=true", "test-mode=true")  # without randomness
WITH_IVECTOR = (
    PLAIN.replace("input-dim=15", f"input-dim={15 + IVECTOR}")
    .replace("input, Offset(input, 1))", "input, Offset(input, 1), ReplaceIndex(ivector, t, 0))")
    .replace(
        "input-node name=input dim=5", f"input-node name=input dim=5\ninput-node name=ivector dim={IVECTOR}"
    )
)


def run(command: str) -> int:
    """The exit status of `nnet3-copy --binary=false a b`; words are separated by spaces."""
    program, *arguments = command.split()
    return int(importlib.import_module(f"nnet.programs.{program.replace('-', '_')}").main(arguments))


def log_lines(text: str) -> list[str]:
    """What stands behind `LOG (program[version]) ` in the log."""
    return [line.split(") ", 1)[1] for line in text.splitlines() if line.startswith("LOG (")]


def error_of(text: str) -> str:
    """The one line of error in a log without any traceback."""
    errors = [line for line in text.splitlines() if line.startswith("ERROR (")]
    assert len(errors) == 1 and text.rstrip("\n").endswith(errors[0]), text
    assert "Traceback" not in text
    return errors[0].split(") ", 1)[1]


def refused(command: str, capfd: Any) -> str:
    """The error line of a command that must fail and leave no file behind."""
    before = sorted(os.listdir())
    assert run(command) == 1
    assert sorted(os.listdir()) == before
    return error_of(capfd.readouterr().err)


def write(path: str, kind: Kind, values: dict[str, Any]) -> None:
    """A table of `values` in the archive `path`."""
    with TableWriter(f"ark:{path}", kind) as table:
        for key, value in values.items():
            table.write(key, value)


def read(path: str, kind: Kind = MATRIX) -> dict[str, Any]:
    """The table in the archive `path`."""
    return dict(read_table(f"ark:{path}", kind))


def settled(text: str = PLAIN, seed: int = 0) -> Nnet:
    """A network of which every component with statistics has some, as after a job of training."""
    nnet = network(text, seed)
    norm = nnet.components["h1.batchnorm"]
    rng = np.random.default_rng(seed)
    norm.count = 100.0
    norm.stats_sum = 100 * rng.random(norm.dim)
    norm.stats_sumsq = 100 * (1 + rng.random(norm.dim))
    return nnet


def examples(rng: np.random.Generator, count: int = 24, **options: Any) -> dict[str, NnetExample]:
    """Single examples of three labelled frames with one frame of context."""
    settings = {"labels": 3, "left": 1, "right": 1, "dim": DIM, "classes": CLASSES} | options
    return {f"eg-{i}": frame_example(rng, **settings) for i in range(count)}


def merged(single: dict[str, NnetExample], size: int = 8) -> dict[str, NnetExample]:
    """Minibatches of `size` examples."""
    egs = list(single.values())
    return {f"merged-{i // size}": merge_examples(egs[i : i + size], False) for i in range(0, len(egs), size)}


def labelled(eg: NnetExample, column: int, dim: int) -> NnetExample:
    """The example with class `column` of `dim` at each labelled frame."""
    out = eg.io[-1]
    return NnetExample(
        [*eg.io[:-1], NnetIo(out.name, out.indexes, from_pairs([[(column, 1.0)]] * len(out.indexes), dim))]
    )


def renamed(eg: NnetExample, output: str) -> NnetExample:
    """The example with its supervision for the node `output`."""
    last = eg.io[-1]
    return NnetExample([*eg.io[:-1], NnetIo(output, last.indexes, last.features)])


def features(
    rng: np.random.Generator, dim: int = DIM, lengths: dict[str, int] | None = None
) -> dict[str, np.ndarray]:
    """Random features (frames, dim) by utterance."""
    return {u: rng.standard_normal((n, dim)).astype(np.float32) for u, n in (lengths or LENGTHS).items()}


def make_files(rng: np.random.Generator) -> None:
    """Write models, features, labels, i-vectors and examples into the current directory."""
    write_nnet(settled(), "raw")
    write_nnet(settled(seed=1), "raw2")
    write_nnet(settled(WITH_IVECTOR), "iraw")
    states = [HmmState(i, i, ((i, 0.75), (i + 1, 0.25))) for i in range(CLASSES)] + [HmmState(-1, -1, ())]
    tree = monophone_tree({1: CLASSES})
    transitions = transition_model(tree, topology(states, [1]))
    write_tree(tree, "tree")
    priors = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    write_am(am_nnet(transitions, settled()).with_priors(priors), "mdl")
    Path("priors").write_text(" [ 1 2 3 4 ]\n")
    write("feats", MATRIX, features(rng))
    write("ali", INT_VECTOR, {u: rng.integers(1, transitions.num_ids + 1, n) for u, n in LENGTHS.items()})
    labels = {u: [[(int(c), 1.0)] for c in rng.integers(0, CLASSES, n)] for u, n in LENGTHS.items()}
    write("post", POSTERIOR, labels)
    vectors = features(rng, IVECTOR, {u: -(-n // 10) for u, n in LENGTHS.items()})
    write("online", MATRIX, vectors)
    write("ivectors", VECTOR, {u: x[0] for u, x in vectors.items()})
    single = examples(rng)
    write("single", EXAMPLE, single)
    write("egs", EXAMPLE, merged(single))
    Path("config").write_text(TDNN)


GOLDEN = Path(__file__).parents[2] / "golden" / "ff_sigmoid_tanh"


def parameters(name: str | Path) -> dict[str, np.ndarray]:
    """The parameters of a model file, `component.field` -> array in float64."""
    components = read_nnet(str(name)).components
    return {f"{c}.{k}": v.astype(np.float64) for c in components for k, v in params(components[c]).items()}


def change_error(ours: str | Path, theirs: str | Path, start: str | Path) -> float:
    """The largest error, over parameter arrays, of our change from `start`, relative to theirs."""
    a, b, s = parameters(ours), parameters(theirs), parameters(start)
    assert a.keys() == b.keys() == s.keys()
    return max(float(np.linalg.norm(a[k] - b[k]) / max(np.linalg.norm(b[k] - s[k]), 1e-6)) for k in a)


def without(monkeypatch, package):
    """Importing `package` fails."""
    real = builtins.__import__

    def importer(name, *rest, **more):
        if name.partition(".")[0] == package:
            raise ImportError(f"No module named {package!r}")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", importer)

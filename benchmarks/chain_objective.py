"""The denominator of LF-MMI as a share of a training step, and how long its graph takes to make.

usage: python -m benchmarks.chain_objective --networks DIR [--threads 1] [--repeats 5] [--gpu]

The graph has about 20 000 arcs: a phone n-gram over 750 phones of two pdfs each. The minibatch has 64
sequences of 50 frames; the step is the whole one of tdnnf.xconfig in DIR on as many, with its 1500 outputs.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.options import existing, one_line
from benchmarks.paired import parser, row, set_threads, table
from benchmarks.step_job import Network, example, make_model
from nnet.backend import Array, array_module, gpu_available, to_device
from nnet.chain.den_graph import make_den_fst
from nnet.chain.phone_lm import PhoneLmOptions, estimate_phone_lm
from nnet.device import batch_on_gpu
from nnet.examples.minibatch import to_minibatch
from nnet.formats.model import read_nnet
from nnet.formats.topology import NO_PDF, HmmState, topology
from nnet.formats.transitions import TransitionModel, transition_model
from nnet.formats.tree import ContextTree, monophone_tree
from nnet.fst.arrays import Fst
from nnet.objectives.chain.denominator import DenominatorGraph, denominator
from nnet.trainer import Trainer
from nnet.tree import on_device

PHONES = range(1, 751)
NETWORK = Network("tdnnf", 64, 50)
LEAKY = 0.1
COLUMNS = (
    "states",
    "arcs",
    "graph made in, s",
    "denominator, ms",
    "us a frame",
    "step, ms",
    "denominator / step",
)


@one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print a table in markdown."""
    p = parser(__doc__, repeats=5)
    p.add_argument("--networks", type=existing, required=True, help="folder with tdnnf.xconfig")
    p.add_argument("--gpu", action="store_true", help="compute there")
    options = p.parse_args(argv)
    if options.gpu and not gpu_available():
        raise ValueError("--gpu: no GPU can be used")
    set_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), options)
    return 0


def measure(folder: Path, options: argparse.Namespace) -> None:
    """Print the times of the graph, of forward-backward and of a step, taken in turns."""
    lm, tree, transitions = language()
    made: list[Fst] = []
    seconds = timed(lambda: made.append(make_den_fst(tree, transitions, lm)))
    fst = made[0]
    graph = DenominatorGraph.from_fst(fst, transitions.num_pdfs)
    nnet = read_nnet(str(make_model(NETWORK, options.networks, folder)))
    rng = np.random.default_rng(0)
    batch = to_minibatch([example(NETWORK, nnet, rng)], nnet.input_names(), nnet.output_names())
    shape = NETWORK.frames, NETWORK.sequences, transitions.num_pdfs
    output = rng.standard_normal(shape).astype(np.float32)
    if options.gpu:
        nnet.components.update({name: on_device(c) for name, c in nnet.components.items()})
        batch, output = batch_on_gpu(batch), to_device(output)
    trainer = Trainer(nnet)
    wait = waiting(output)
    trainer.step(batch)
    denominator(graph, output, LEAKY)
    pairs = [
        (timed(lambda: denominator(graph, output, LEAKY), wait), timed(lambda: trainer.step(batch), wait))
        for _ in range(options.repeats)
    ]
    ours, step = (1000 * statistics.median(times) for times in zip(*pairs))
    ratio = statistics.median(a / b for a, b in pairs)
    frame = 1000 * ours / (NETWORK.frames * NETWORK.sequences)
    table(*COLUMNS)
    sizes = fst.num_states, fst.num_arcs, f"{seconds:.1f}"
    row(*sizes, f"{ours:.2f}", f"{frame:.2f}", f"{step:.1f}", f"{ratio:.2f}")


def language() -> tuple[Fst, ContextTree, TransitionModel]:
    """A phone language model of sentences in which each phone has a few likely followers, and a topology."""
    rng = np.random.default_rng(0)
    followers = rng.integers(PHONES[0], PHONES[-1] + 1, (len(PHONES) + 1, 12))
    sentences = []
    for _ in range(4000):
        phones = [int(rng.integers(PHONES[0], PHONES[-1] + 1))]
        while len(phones) < 20:
            phones.append(int(followers[phones[-1], min(rng.geometric(0.3), 12) - 1]))
        sentences.append(phones)
    lm = estimate_phone_lm(sentences, PhoneLmOptions(3, 2500, 2))
    states = (HmmState(0, 1, ((0, 0.5), (1, 0.5))), HmmState(NO_PDF, NO_PDF, ()))
    tree = monophone_tree(dict.fromkeys(PHONES, 2))
    return lm, tree, transition_model(tree, topology(states, PHONES))


def waiting(x: Array) -> Callable[[], object]:
    """What waits for the device of x, if it lies on one."""
    xp = array_module(x)
    return (lambda: None) if xp is np else xp.cuda.get_current_stream().synchronize  # type: ignore[no-any-return]


def timed(work: Callable[[], object], wait: Callable[[], object] = lambda: None) -> float:
    """Seconds that `work` takes."""
    wait()
    start = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - start


if __name__ == "__main__":
    raise SystemExit(main())

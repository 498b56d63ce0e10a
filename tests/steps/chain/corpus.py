"""A tiny corpus for chain training: utterances of two phones, a tree of chain topology, lattices."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from nnet.formats.basic import open_output
from nnet.formats.kinds import INT_VECTOR
from nnet.formats.lattice import COMPACT_LATTICE
from nnet.formats.tables import TableWriter
from nnet.formats.topology import HmmState, Topology, read_topology_file, topology
from nnet.formats.transitions import TransitionModel, transition_model, write_transitions
from nnet.formats.tree import ContextTree, monophone_tree, write_tree
from nnet.fst.lattice import ONE, ZERO, Lattice, Weight
from steps.lang import chain_topology_text
from tests.steps.corpus import features, write_data

PHONES, PDFS, FACTOR, UTTERANCES = [1, 2], 4, 3, 12
AFFINE = "type=NaturalGradientAffineComponent max-change=0.75"
NETWORK = f"""component name=affine {AFFINE} input-dim=12 output-dim=8 l2-regularize=0.01
component name=norm type=BatchNormComponent dim=8
component name=drop type=GeneralDropoutComponent dim=8 continuous=true dropout-proportion=0.0
component name=out {AFFINE} input-dim=8 output-dim={PDFS}
component name=xent {AFFINE} input-dim=8 output-dim={PDFS}
component name=log type=LogSoftmaxComponent dim={PDFS}
input-node name=input dim=4
component-node name=affine component=affine input=Append(Offset(input, -1), input, Offset(input, 1))
component-node name=norm component=norm input=affine
component-node name=drop component=drop input=norm
component-node name=out component=out input=drop
component-node name=xent component=xent input=drop
component-node name=log component=log input=xent
output-node name=output input=out objective=linear
output-node name=output-xent input=log objective=linear
"""
OPTIONS = [
    "--egs.chunk-width=15,9",
    "--egs.opts=--num-egs-diagnostic 10 --num-utts-subset 2",
    "--trainer.frames-per-iter=200",
    "--trainer.num-chunk-per-minibatch=4,2",
    "--trainer.num-epochs=1.5",
    "--trainer.dropout-schedule=0,0.2@0.5,0",
    "--trainer.optimization.num-jobs-initial=1",
    "--trainer.optimization.num-jobs-final=2",
    "--trainer.optimization.initial-effective-lrate=0.01",
    "--trainer.optimization.final-effective-lrate=0.001",
    "--chain.xent-regularize=0.1",
    "--chain.leaky-hmm-coefficient=0.1",
    "--chain.l2-regularize=0.00005",
    "--chain.lm-opts=--num-extra-lm-states=10",
    "--feat.cmvn-opts=--norm-means=false --norm-vars=false",
    "--use-gpu=no",
    "--local.max-jobs=2",
    "--retries=0",
]


def make_chain_corpus(top: Path) -> Path:
    """Write data/, tree/, lats/ and exp/configs below `top`; returns `top`."""
    rng = np.random.default_rng(5)
    for name in ("data", "tree", "lats", "exp/configs"):
        (top / name).mkdir(parents=True)
    spoken = {f"s{u % 2}-u{u:02d}": _durations(rng) for u in range(UTTERANCES)}
    labels = {u: np.repeat([p - 1 for p, _ in said], [n for _, n in said]) for u, said in spoken.items()}
    write_data(top / "data", {u: features(x, rng) for u, x in labels.items()})
    (top / "topo").write_text(chain_topology_text(PHONES))
    _write_tree_dir(top / "tree", read_topology_file(str(top / "topo")), spoken)
    _write_lattices(top / "lats", spoken)
    (top / "exp/configs/final.config").write_text(NETWORK)
    (top / "exp/configs/vars").write_text("model_left_context=1\nmodel_right_context=1\n")
    return top


def _durations(rng: np.random.Generator) -> list[tuple[int, int]]:
    """(phone, input frames) of the phones of an utterance, in turn."""
    first, count = int(rng.integers(2)), int(rng.integers(3, 5))
    return [(PHONES[(first + k) % 2], 3 * int(rng.integers(2, 4))) for k in range(count)]


def _write_tree_dir(folder: Path, topo: Topology, spoken: dict[str, list[tuple[int, int]]]) -> None:
    """Alignments at the rate of the output; each phone has a pdf for its first frame and one for the rest."""
    tree = monophone_tree({p: 2 for p in PHONES})
    model = transition_model(tree, topo)
    leave, stay = _ids(model)
    alignments = {
        u: [i for p, n in said for i in [leave[p]] + [stay[p]] * (n // FACTOR - 1)]
        for u, said in spoken.items()
    }
    _write_model(folder, model, tree)
    with TableWriter(f"ark:{folder}/ali.ark", INT_VECTOR) as writer:
        for u in sorted(alignments):
            writer.write(u, np.array(alignments[u], np.int32))
    _compress(folder / "ali.ark", folder / "ali.1.gz")


def _ids(model: TransitionModel) -> tuple[dict[int, int], dict[int, int]]:
    """Transition-ids of the way out and of the self-loop of each phone."""
    ids = np.arange(1, model.num_ids + 1)
    loop, phone = model.is_self_loop(ids), model.phone_of(ids)
    ways = [{int(p): int(i) for i, p in zip(ids[chosen], phone[chosen])} for chosen in (~loop, loop)]
    return ways[0], ways[1]


def _write_lattices(folder: Path, spoken: dict[str, list[tuple[int, int]]]) -> None:
    """One path for each utterance, a word for every phone, at the rate of the features, by an HMM model."""
    states = [HmmState(0, 0, ((0, 0.75), (1, 0.25))), HmmState(-1, -1, ())]
    tree = monophone_tree({p: 1 for p in PHONES})
    model = transition_model(tree, topology(states, PHONES))
    leave, stay = _ids(model)
    _write_model(folder, model, tree)
    with TableWriter(f"ark:{folder}/lat.ark", COMPACT_LATTICE) as writer:
        for u in sorted(spoken):
            arcs = [
                [(p, p, Weight(1.0, 2.0, (leave[p], *[stay[p]] * (n - 1))), k + 1)]
                for k, (p, n) in enumerate(spoken[u])
            ]
            writer.write(u, Lattice(0, [*arcs, []], [ZERO] * len(arcs) + [ONE]))
    _compress(folder / "lat.ark", folder / "lat.1.gz")


def _write_model(folder: Path, model: TransitionModel, tree: ContextTree) -> None:
    with open_output(str(folder / "final.mdl"), True) as out:
        write_transitions(out, model)
    write_tree(tree, str(folder / "tree"))
    (folder / "phones.txt").write_text("<eps> 0\na 1\nb 2\n")
    (folder / "num_jobs").write_text("1\n")


def _compress(path: Path, to: Path) -> None:
    with gzip.open(to, "wb") as stream:
        stream.write(path.read_bytes())
    path.unlink()


def chain_arguments(top: Path, *more: str) -> list[str]:
    """The command line for a training on the corpus below `top`."""
    places = ["--feat-dir", f"{top}/data", "--tree-dir", f"{top}/tree", "--lat-dir", f"{top}/lats"]
    return [*OPTIONS, *places, f"--dir={top}/exp", *more]

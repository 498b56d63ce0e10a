"""A tiny corpus in Kaldi's directories, for tests of whole trainings: a few utterances, two pdfs, four
feature dims.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from nnet.formats.basic import open_output
from nnet.formats.kinds import INT_VECTOR, MATRIX
from nnet.formats.tables import TableWriter
from nnet.formats.topology import HmmState, topology
from nnet.formats.transitions import transition_model, write_transitions
from nnet.formats.tree import monophone_tree, write_tree

DIM, FRAMES, UTTERANCES = 4, 30, 10
AFFINE = "type=NaturalGradientAffineComponent max-change=0.75"
NETWORK = f"""component name=affine {AFFINE} input-dim=12 output-dim=8 l2-regularize=0.01
component name=norm type=BatchNormComponent dim=8
component name=out {AFFINE} input-dim=8 output-dim=2
component name=log type=LogSoftmaxComponent dim=2
input-node name=input dim=4
component-node name=affine component=affine input=Append(Offset(input, -1), input, Offset(input, 1))
component-node name=norm component=norm input=affine
component-node name=out component=out input=norm
component-node name=log component=log input=out
output-node name=output input=log objective=linear
"""
OPTIONS = [
    "--egs.frames-per-eg=4",
    "--trainer.samples-per-iter=30",
    "--trainer.optimization.minibatch-size=8",
    "--trainer.num-epochs=1",
    "--trainer.optimization.num-jobs-initial=1",
    "--trainer.optimization.num-jobs-final=2",
    "--trainer.optimization.initial-effective-lrate=0.01",
    "--trainer.optimization.final-effective-lrate=0.001",
    "--feat.cmvn-opts=--norm-means=true",
    "--use-gpu=no",
    "--local.max-jobs=2",
]


def make_corpus(top: Path) -> Path:
    """Write data/, ali/ and exp/configs below `top`; returns `top`."""
    rng = np.random.default_rng(3)
    for name in ("data", "ali", "exp/configs"):
        (top / name).mkdir(parents=True)
    names = [f"s{u % 2}-u{u:02d}" for u in range(UTTERANCES)]
    labels = {u: np.sort(rng.integers(0, 2, FRAMES)) for u in names}
    write_data(top / "data", {u: features(labels[u], rng) for u in names})
    write_alignments(top / "ali", labels)
    (top / "exp/configs/final.config").write_text(NETWORK)
    (top / "exp/configs/vars").write_text("model_left_context=1\nmodel_right_context=1\n")
    return top


def features(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Features (T, 4) whose mean tells the label."""
    return (labels[:, None] * 2.0 + rng.normal(size=(len(labels), DIM))).astype(np.float32)


def write_data(directory: Path, feats: dict[str, np.ndarray]) -> None:
    """feats.scp, utt2spk and cmvn.scp; the speaker is what stands before the dash."""
    with TableWriter(f"ark,scp:{directory}/feats.ark,{directory}/feats.scp", MATRIX) as writer:
        for u in sorted(feats):
            writer.write(u, feats[u])
    (directory / "utt2spk").write_text("".join(f"{u} {u.split('-')[0]}\n" for u in sorted(feats)))
    with TableWriter(f"ark,scp:{directory}/cmvn.ark,{directory}/cmvn.scp", MATRIX) as writer:
        for speaker in sorted({u.split("-")[0] for u in feats}):
            x = np.concatenate([f for u, f in feats.items() if u.startswith(speaker)])
            stats = np.zeros((2, DIM + 1), np.float32)
            stats[0, :-1], stats[1, :-1], stats[0, -1] = x.sum(0), (x * x).sum(0), len(x)
            writer.write(speaker, stats)


def write_alignments(directory: Path, labels: dict[str, np.ndarray]) -> None:
    """ali.1.gz, final.mdl, tree, phones.txt, num_jobs; one phone with two states."""
    states = [
        HmmState(0, 0, ((0, 0.75), (1, 0.25))),
        HmmState(1, 1, ((1, 0.75), (2, 0.25))),
        HmmState(-1, -1, ()),
    ]
    topo, tree = topology(states, [1]), monophone_tree({1: 2})
    model = transition_model(tree, topo)
    first_id = [
        int(np.flatnonzero(model.pdf_of(np.arange(1, model.num_ids + 1)) == p)[0]) + 1 for p in (0, 1)
    ]
    with TableWriter(f"ark:{directory}/ali.ark", INT_VECTOR) as writer:
        for u in sorted(labels):
            writer.write(u, np.array(first_id, np.int32)[labels[u]])
    with gzip.open(directory / "ali.1.gz", "wb") as stream:
        stream.write((directory / "ali.ark").read_bytes())
    with open_output(str(directory / "final.mdl"), True) as out:
        write_transitions(out, model)
    write_tree(tree, str(directory / "tree"))
    (directory / "phones.txt").write_text("<eps> 0\na 1\n")
    (directory / "num_jobs").write_text("1\n")


def arguments(top: Path, *more: str) -> list[str]:
    """The command line for a training on the corpus below `top`."""
    places = [f"--feat-dir={top}/data", f"--ali-dir={top}/ali", f"--dir={top}/exp"]
    return [*OPTIONS, *places, *more]

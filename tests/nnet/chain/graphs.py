"""Topologies, trees and phone language models by chance, for tests of graphs."""

import numpy as np

from nnet.chain.phone_lm import PhoneLmOptions, estimate_phone_lm
from nnet.formats.topology import HmmState, topology
from nnet.formats.transitions import TransitionModel, transition_model
from nnet.formats.tree import PDF_CLASS, ContextTree, Leaf, Split, Table
from nnet.fst.arrays import Fst

PHONES = [1, 2, 3, 4]
END = HmmState(-1, -1, ())
CHAIN = (HmmState(0, 1, ((0, 0.5), (1, 0.5))), END)
THREE_STATES = (*(HmmState(i, i, ((i, 0.75), (i + 1, 0.25))) for i in range(3)), END)
SKIPPING = (HmmState(0, 0, ((0, 0.4), (1, 0.3), (2, 0.3))), HmmState(1, 1, ((1, 0.6), (2, 0.4))), END)
RETURNING = (HmmState(0, 0, ((1, 1.0),)), HmmState(1, 1, ((0, 0.3), (1, 0.3), (2, 0.4))), END)
SILENT_START = (HmmState(-1, -1, ((1, 0.5), (2, 0.5))), HmmState(0, 0, ((1, 0.5), (3, 0.5))),
                HmmState(1, 1, ((2, 0.5), (3, 0.5))), END)  # fmt: skip
TOPOLOGIES = {
    "chain": CHAIN,
    "three": THREE_STATES,
    "skip": SKIPPING,
    "return": RETURNING,
    "silent": SILENT_START,
}


def tree_for(states, width: int, central: int, rng: np.random.Generator) -> ContextTree:
    """A tree that asks about the neighbours of every phone, where there are any."""
    classes = 1 + max(max(s.forward_class, s.self_loop_class) for s in states)
    numbers = iter(range(1000))
    others = [k for k in range(width) if k != central]

    def leaf():
        if not others:
            return Leaf(next(numbers))
        question = tuple(sorted(rng.choice([0, *PHONES], 2, replace=False).tolist()))
        return Split(int(rng.choice(others)), question, Leaf(next(numbers)), Leaf(next(numbers)))

    phones = [Table(PDF_CLASS, tuple(leaf() for _ in range(classes))) for _ in PHONES]
    return ContextTree(width, central, Table(central, (None, *phones)))


def model_for(states, tree: ContextTree) -> TransitionModel:
    return transition_model(tree, topology(states, PHONES))


def phone_lm(rng: np.random.Generator, sentences: int = 60, extra: int = 5) -> Fst:
    followers = rng.dirichlet(np.full(len(PHONES), 0.3), size=len(PHONES) + 1)
    rows = []
    for _ in range(sentences):
        row = [int(rng.choice(PHONES))]
        while rng.random() < 0.8:
            row.append(int(rng.choice(PHONES, p=followers[row[-1]])))
        rows.append(row)
    return estimate_phone_lm(rows, PhoneLmOptions(3, extra, 2))

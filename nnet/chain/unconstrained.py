"""Unconstrained supervision: a chunk's phones in their order, each as long as it likes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnet.chain.den_graph import to_pdfs
from nnet.chain.hmm_graph import add_self_loops
from nnet.formats.transitions import TransitionModel
from nnet.fst.arrays import Fst
from nnet.fst.determinize import determinize
from nnet.fst.epsilons import remove_epsilons
from nnet.fst.minimize import minimize_pushed
from nnet.fst.order import with_labels
from nnet.supervision import Supervision


def unconstrained(
    supervision: Supervision, transitions: TransitionModel, rng: np.random.Generator
) -> Supervision:
    """Supervision in transition-ids as an end-to-end one in pdfs (ConvertSupervisionToUnconstrained).

    Self-loops within the chunk are taken out, but for those of the first frame, where a phone may have been
    cut, and put back as loops. `alignment_pdfs` is a path drawn with `rng`, an arc of each state with equal
    probability. Raises ValueError if labels are no transition-ids.
    """
    if supervision.label_dim != transitions.num_ids or supervision.end_to_end:
        raise ValueError(
            f"supervision with {supervision.label_dim} labels where the {transitions.num_ids} transition-ids "
            "of the model are expected; was it made with --convert-to-pdfs=false?"
        )
    fst = remove_epsilons(supervision.fsts[0])
    pdfs = transitions.pdf_of(_random_path(fst, rng)).astype(np.int32)
    loops = transitions.is_self_loop(fst.ilabels)
    inner = loops & (fst.sources != fst.start)
    labels = np.where(inner, 0, fst.ilabels)
    forward = minimize_pushed(determinize(remove_epsilons(with_labels(fst, labels, labels))))
    looped = to_pdfs(add_self_loops(forward, transitions, 0.0, check=False), transitions)
    small = minimize_pushed(determinize(remove_epsilons(looped)))
    return replace(
        supervision,
        label_dim=transitions.num_pdfs,
        end_to_end=True,
        fsts=(small,),
        alignment_pdfs=pdfs,
    )


def _random_path(fst: Fst, rng: np.random.Generator) -> np.ndarray:
    """The labels of a path to an end, every arc, and an end, as likely as the others of its state."""
    rows, s = fst.lists(), fst.start
    path: list[int] = []
    while True:
        ways = len(rows[s]) + bool(np.isfinite(fst.finals[s]))
        way = int(rng.integers(ways))
        if way == len(rows[s]):
            return np.array(path, np.int64)
        label, _, _, s = rows[s][way]
        path.append(label)

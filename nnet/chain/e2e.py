"""End-to-end supervision: any path through an utterance's training graph, whenever its phones are said."""

from __future__ import annotations

from collections import deque

import numpy as np

from nnet.chain.den_graph import to_pdfs
from nnet.formats.transitions import TransitionModel
from nnet.fst.arrays import Fst
from nnet.fst.compose import compose
from nnet.fst.epsilons import remove_epsilons
from nnet.fst.local_epsilons import remove_epsilons_locally
from nnet.fst.order import sort_arcs
from nnet.fst.properties import is_sorted
from nnet.supervision import Supervision

LIMIT = 1 << 30  # more frames than any utterance has


def pdf_acceptor(graph: Fst, transitions: TransitionModel) -> Fst:
    """An acceptor of pdf + 1, without epsilons, of the paths of `graph`, whose inputs are transition-ids.

    (The first half of TrainingGraphToSupervisionE2e.) Raises ValueError for other labels.
    """
    fst = to_pdfs(remove_epsilons(remove_epsilons_locally(graph)), transitions)
    return fst if (fst.ilabels > 0).all() else remove_epsilons(fst)  # words may stand on epsilons


def normalized(acceptor: Fst, normalization_fst: Fst) -> Fst:
    """`acceptor` with the costs of `normalization_fst`; empty if that allows none of its paths
    (AddWeightToSupervisionFstE2e).
    """
    known = normalization_fst if is_sorted(normalization_fst) else sort_arcs(normalization_fst)
    return compose(remove_epsilons(acceptor), known, "second")


def shortest_length(acceptor: Fst) -> int:
    """The least number of labels on a path; LIMIT if there is no path."""
    if acceptor.start < 0:
        return LIMIT
    arcs, final = list(acceptor.successors()), np.isfinite(acceptor.finals)
    length = {acceptor.start: 0}
    queue = deque([acceptor.start])
    while queue:
        s = queue.popleft()
        if final[s]:
            return length[s]
        for t in arcs[s].tolist():
            if t not in length:
                length[t] = length[s] + 1
                queue.append(t)
    return LIMIT


def end_to_end(acceptor: Fst, num_frames: int, num_pdfs: int, weight: float = 1.0) -> Supervision:
    """The supervision of one sequence of `num_frames` output frames that may be any path of `acceptor`."""
    return Supervision(weight, 1, num_frames, num_pdfs, True, (acceptor,))

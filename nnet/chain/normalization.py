"""The normalization FST of LF-MMI: the denominator's weights, for paths that start and end anywhere."""

from __future__ import annotations

import numpy as np

from nnet.chain.phone_lm import described
from nnet.fst import properties as p
from nnet.fst.arrays import Fst
from nnet.fst.epsilons import remove_epsilons
from nnet.fst.order import sort_arcs
from nnet.objectives.chain.denominator import initial_probabilities

KNOWN = 3 * (p.EPSILONS | p.I_SORTED | p.ACCESSIBLE | p.COACCESSIBLE)  # of Kaldi's file


def normalization_fst(den_fst: Fst) -> Fst:
    """`den_fst` with a start that leads anywhere by initial probability, and free ends everywhere.

    Examples composed with it have the costs that the denominator has, so that numerator <= denominator
    (DenominatorGraph::GetNormalizationFst).
    """
    size = den_fst.num_states
    initial = initial_probabilities(den_fst).astype(np.float32)
    if not (initial > 0).all():
        raise ValueError(f"state {int(np.argmin(initial))} of the denominator FST cannot be reached")
    arcs = den_fst.lists()
    arcs.append([(0, 0, float(np.float32(-np.log(float(p)))), s) for s, p in enumerate(initial)])
    finals = np.append(np.zeros(size, np.float32), np.float32(np.inf))
    return described(sort_arcs(remove_epsilons(Fst.from_lists(arcs, finals, size))), KNOWN)

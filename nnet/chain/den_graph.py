"""The denominator graph of LF-MMI: a phone language model expanded to pdfs, and made small."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnet.chain.hmm_graph import phones_to_transition_ids
from nnet.chain.phone_lm import described
from nnet.formats.transitions import TransitionModel
from nnet.formats.tree import ContextTree
from nnet.fst import properties as p
from nnet.fst.arrays import Fst
from nnet.fst.epsilons import remove_epsilons
from nnet.fst.local_epsilons import remove_epsilons_locally
from nnet.fst.minimize import minimize, quantize
from nnet.fst.order import renumber, reverse, with_labels
from nnet.fst.push import push_special

DELTA = 1.0 / 1024.0  # costs closer than this count as equal in OpenFst
PASSES = 3
FEW_ARCS = 3  # what the log calls a low degree

Log = Callable[[str], None]


def make_den_fst(
    tree: ContextTree, transitions: TransitionModel, phone_lm: Fst, log: Log = lambda line: None
) -> Fst:
    """den.fst of the acceptor `phone_lm`: an acceptor of pdf + 1 without epsilons (CreateDenominatorFst).

    It has the cost of every sequence of pdfs that `phone_lm`, `tree` and `transitions` give, up to
    the rounding of costs to multiples of 0.01 in each pass, by which states become equal. Raises ValueError
    if `phone_lm` is empty or has other phones than the topology, or if tree and transition model do not
    fit together.
    """
    if phone_lm.start < 0:
        raise ValueError("the phone language model is empty")
    log(f"Number of states and arcs in phone-LM FST is {_size(phone_lm)}")
    fst = phones_to_transition_ids(phone_lm, tree, transitions, with_probabilities=True)
    if fst.start < 0:
        raise ValueError("no sequence of phones of the language model can be expanded to pdfs")
    fst = to_pdfs(fst, transitions)
    log(f"Number of states and arcs in transition-id FST is {_size(fst)}")
    fst = remove_epsilons(remove_epsilons_locally(fst))
    log(f"Number of states and arcs in transition-id FST after removing epsilons is {_size(fst)}")
    fst = _busy_first(_made_small(fst, log))
    _report(fst, transitions.num_pdfs, log)
    known = 3 * p.EPSILONS | (p.WEIGHTED if fst.weights.any() else 0)
    return described(fst, known)


def to_pdfs(fst: Fst, transitions: TransitionModel) -> Fst:
    """`fst` with pdf + 1 in place of transition-ids; 0 stays (MapFstToPdfIdsPlusOne)."""
    labels = fst.ilabels.copy()
    labels[labels > 0] = transitions.pdf_of(labels[labels > 0]) + 1
    return with_labels(fst, labels, labels)


def _made_small(fst: Fst, log: Log) -> Fst:
    """States merged that have the same past or the same future, again and again (DenGraphMinimizeWrapper)."""
    for k in range(1, PASSES + 1):
        fst = reverse(_merged(reverse(fst)))
        log(
            "Number of states and arcs in transition-id FST after reversed minimization is "
            f"{_size(fst)} (pass {k})"
        )
        fst = _merged(fst)
        log(
            "Number of states and arcs in transition-id FST after regular minimization is "
            f"{_size(fst)} (pass {k})"
        )
    fst = remove_epsilons(fst)
    log(
        "Number of states and arcs in transition-id FST after removing any epsilons introduced by reversal "
        f"is {_size(fst)}"
    )
    return push_special(fst, DELTA * 0.01)


def _merged(fst: Fst) -> Fst:
    return minimize(quantize(push_special(fst, DELTA * 0.01), DELTA * 10))


def _busy_first(fst: Fst) -> Fst:
    """States with many arcs into and out of them first (SortOnTransitionCount)."""
    counts = np.diff(fst.indptr) + np.bincount(fst.targets, minlength=fst.num_states)
    place = np.empty(fst.num_states, np.int64)
    place[np.argsort(-counts, kind="stable")] = np.arange(fst.num_states)
    return renumber(fst, place)


def _size(fst: Fst) -> str:
    return f"{fst.num_states} and {fst.num_arcs}"


def _report(fst: Fst, num_pdfs: int, log: Log) -> None:
    seen = np.bincount(fst.ilabels - 1, minlength=num_pdfs)
    for pdf in np.flatnonzero(seen == 0).tolist():
        log(f"Pdf-id {pdf} is not seen in denominator graph.")
    into = np.bincount(fst.targets, minlength=fst.num_states)
    log(
        f"Number of states is {fst.num_states} and arcs {fst.num_arcs}; number of states with in-degree <= "
        f"{FEW_ARCS} is {(into <= FEW_ARCS).sum()} and with out-degree <= {FEW_ARCS} is "
        f"{(np.diff(fst.indptr) <= FEW_ARCS).sum()}"
    )

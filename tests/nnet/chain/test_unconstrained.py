"""Unconstrained supervision: phones in their order, of any length, cut at the first frame."""

import pytest

from nnet.chain.supervision import SupervisionMaker, SupervisionOptions, proto_from_alignment
from nnet.chain.supervision_parts import SupervisionSplitter
from nnet.chain.unconstrained import unconstrained
from tests.nnet.chain.test_supervision import MODEL, TREE, frames
from tests.nnet.fst.paths import INF, best


def chunk(first: int, count: int, convert_to_pdfs: bool = False):
    """Frames of the phones 2, 3, 4 of two frames each."""
    exact = SupervisionOptions(left_tolerance=0, right_tolerance=0)
    proto = proto_from_alignment([2, 3, 4], [2, 2, 2], exact)
    return SupervisionSplitter(SupervisionMaker(TREE, MODEL, convert_to_pdfs).make(proto)).part(first, count)


def test_phones_last_as_long_as_they_like(rng):
    free = unconstrained(chunk(0, 6), MODEL, rng)
    (a, stay_a), (b, stay_b), (c, stay_c) = (frames(p) for p in (2, 3, 4))
    for labels in ([a, b, c], [a, stay_a, stay_a, b, c, stay_c], [a, b, stay_b, stay_b, c]):
        assert best(free.fsts[0], labels) == 0
    for labels in ([a, c], [stay_a, b, c], [a, b, c, a]):
        assert best(free.fsts[0], labels) == INF
    assert free.end_to_end
    assert (free.alignment_pdfs + 1).tolist() == frames(2, 3, 4)


def test_a_phone_may_be_cut_at_the_first_frame_only(rng):
    free = unconstrained(chunk(1, 4), MODEL, rng)
    (_, stay_a), (b, stay_b), (c, _) = (frames(p) for p in (2, 3, 4))
    assert best(free.fsts[0], [stay_a, b, c]) == 0
    assert best(free.fsts[0], [stay_a, stay_a, b, stay_b, c]) == 0
    assert best(free.fsts[0], [stay_b, c]) == INF


def test_supervision_in_pdfs_is_refused(rng):
    six = chunk(0, 6)
    with pytest.raises(ValueError, match="convert-to-pdfs=false"):
        unconstrained(unconstrained(six, MODEL, rng), MODEL, rng)

"""The numerator: against all paths written out, against differences, sequences joined in every way."""

import numpy as np
import pytest

from nnet.examples.chain_merge import merge_supervision
from nnet.fst.arrays import Fst
from nnet.objectives.chain.numerator import log_sum, numerator
from nnet.objectives.chain.trellis import make_trellis, state_times
from nnet.supervision import Supervision
from tests.nnet.objectives.graphs import (
    INF,
    agrees_with_differences,
    numerator_by_enumeration,
    random_supervision,
)

PDFS = 4
SORTS = pytest.mark.parametrize("end_to_end", [True, False], ids=["end to end", "layered"])


@SORTS
@pytest.mark.parametrize(("sequences", "frames"), [(1, 2), (1, 5), (3, 2), (2, 3)])
def test_it_is_the_sum_over_all_right_paths(rng, end_to_end, sequences, frames):
    s = random_supervision(rng, sequences, frames, PDFS, end_to_end)
    y = rng.standard_normal((frames, sequences, PDFS))
    assert numerator(s, y).log_prob == pytest.approx(numerator_by_enumeration(s, y))


@SORTS
def test_posteriors_are_the_derivative_and_sum_to_one(rng, end_to_end):
    s = random_supervision(rng, 4, 5, PDFS, end_to_end)
    y = rng.standard_normal((5, 4, PDFS))
    found = numerator(s, y)
    np.testing.assert_allclose(found.posterior.sum(axis=2), 1.0, atol=1e-9)
    agrees_with_differences(lambda x: numerator(s, x, False).log_prob, y, found.posterior, rng)
    assert found.good


@SORTS
def test_posteriors_have_the_type_of_the_outputs(rng, end_to_end):
    s = random_supervision(rng, 2, 3, PDFS, end_to_end)
    assert numerator(s, np.zeros((3, 2, PDFS), np.float32)).posterior.dtype == np.float32


def test_sequences_that_were_joined_are_taken_side_by_side(rng):
    s = random_supervision(rng, 3, 4, PDFS, False)
    paths = make_trellis(s)
    assert len(paths.steps) == 4 and paths.owner.max() == 2


def test_sequences_that_depend_on_each_other_are_one_long_sequence(rng):
    fst = Fst.from_arcs(
        [(0, 1, 1, 0.5, 1), (0, 2, 2, 0.0, 2), (1, 3, 3, 0.0, 3), (1, 1, 1, 0.0, 3), (2, 4, 4, 1.0, 3)],
        [INF, INF, INF, 0.25],
    )
    s = Supervision(1.0, 2, 1, PDFS, False, (fst,))
    y = rng.standard_normal((1, 2, PDFS))
    found = numerator(s, y)
    assert len(make_trellis(s).steps) == 2
    assert found.log_prob == pytest.approx(numerator_by_enumeration(s, y))
    agrees_with_differences(lambda x: numerator(s, x, False).log_prob, y, found.posterior, rng)


@pytest.mark.parametrize(("cost", "steps"), [(0.3, 1), (0.9, 2)], ids=["a common factor", "none"])
def test_ends_are_cut_apart_only_where_their_arcs_differ_by_one_factor(rng, cost, steps):
    arcs = [(0, 1, 1, 0.5, 1), (0, 2, 2, 0.0, 2)]
    arcs += [(s, a, a, w + (0.1 if s == 1 else 0.0), 3) for s in (1, 2) for a, w in ((3, 0.2), (4, 0.4))]
    arcs[-1] = (2, 4, 4, 0.1 + cost, 3)
    fst = Fst.from_arcs(arcs, [INF, INF, INF, 0.0])
    s = Supervision(1.0, 2, 1, PDFS, False, (fst,))
    assert len(make_trellis(s).steps) == steps
    y = rng.standard_normal((1, 2, PDFS))
    assert numerator(s, y).log_prob == pytest.approx(numerator_by_enumeration(s, y))


def test_a_supervision_without_a_path_is_reported():
    s = Supervision(1.0, 1, 5, PDFS, True, (Fst.linear([1, 2]),))
    found = numerator(s, np.zeros((5, 1, PDFS)))
    assert found.log_prob == -INF and not found.good


def test_outputs_that_are_no_numbers_are_reported(rng):
    s = random_supervision(rng, 2, 3, 1, True)
    assert not numerator(s, np.full((3, 2, 1), np.nan)).good


@pytest.mark.parametrize(
    "fst, message",
    [
        (Fst.linear([1, 5]), "label 5, where 1 to 4"),
        (Fst.linear([1, 0]), "label 0, where 1 to 4"),
        (Fst.linear([1]), "all its paths 2 arcs long"),
        (Fst.linear([1, 2, 3]), "all its paths 2 arcs long"),
        (Fst.from_arcs([(0, 1, 1, 0.0, 0)], [0.0]), "all its paths"),
        (
            Fst.from_arcs([(0, 1, 1, 0.0, 1), (1, 1, 1, 0.0, 2), (0, 1, 1, 0.0, 2)], [INF, INF, 0.0]),
            "all its",
        ),
        (Fst.from_arcs([(0, 1, 1, 0.0, 1)], [INF, 0.0, 0.0]), "a state that no arc enters"),
        (Fst.from_arcs([], [], -1), "no start"),
    ],
)
def test_fsts_that_do_not_hold_these_frames_are_refused(fst, message):
    with pytest.raises(ValueError, match=message):
        numerator(Supervision(1.0, 1, 2, PDFS, False, (fst,)), np.zeros((2, 1, PDFS)))


def test_outputs_of_another_shape_are_refused(rng):
    s = random_supervision(rng, 2, 3, PDFS, True)
    with pytest.raises(ValueError, match=r"\(3, 2, 5\) .*supervision is for \(3, 2, 4\)"):
        numerator(s, np.zeros((3, 2, 5)))


def test_times_of_states_are_lengths_of_paths(rng):
    s = random_supervision(rng, 2, 9, PDFS, False)
    times = state_times(s.fsts[0], 18)
    assert times.tolist() == [0, *np.repeat(np.arange(1, 19), 2)]


def test_a_sum_of_nothing_is_minus_infinity():
    assert log_sum(np.zeros(0), np.zeros(0, int), 2).tolist() == [-INF, -INF]
    found = log_sum(np.array([0.0, 0.0, -INF]), np.array([0, 0, 2]), 4)
    assert found.tolist() == [np.log(2), -INF, -INF, -INF]


def test_sequences_with_an_fst_each_count_as_when_joined(rng):
    singles = [random_supervision(rng, 1, 4, PDFS, False, weight=0.5) for _ in range(3)]
    y = rng.standard_normal((4, 3, PDFS))
    joined, apart = (numerator(merge_supervision(singles, join), y) for join in (True, False))
    assert apart.log_prob == pytest.approx(joined.log_prob, abs=1e-5)  # joined costs are float32
    np.testing.assert_allclose(apart.posterior, joined.posterior, atol=1e-5)
    assert apart.log_prob == pytest.approx(
        sum(numerator(s, y[:, [n]]).log_prob for n, s in enumerate(singles))
    )

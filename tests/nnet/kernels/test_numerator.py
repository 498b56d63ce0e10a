"""The numerator's kernels against numpy's body, which tests of the objective hold against all paths."""

import numpy as np
import pytest

from nnet.backend import to_device, to_host
from nnet.fst.arrays import Fst
from nnet.objectives.chain.numerator import numerator
from nnet.supervision import Supervision
from tests.emulation.device import transfers
from tests.nnet.objectives.graphs import random_supervision

SORTS = pytest.mark.parametrize("end_to_end", [True, False], ids=["end to end", "layered"])
T, N, D = 6, 4, 5


@SORTS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernels_do_what_numpy_does(rng, device, end_to_end, dtype):
    s = random_supervision(rng, N, T, D, end_to_end)
    y = (5 * rng.standard_normal((T, N, D))).astype(dtype)
    theirs, ours = numerator(s, y), numerator(s, to_device(y))
    assert to_host(ours.log_prob) == pytest.approx(theirs.log_prob, rel=1e-12)
    np.testing.assert_allclose(to_host(ours.posterior), theirs.posterior, rtol=1e-6, atol=1e-12)
    assert ours.posterior.dtype == dtype and theirs.good and to_host(ours.good)


def test_sequences_that_cannot_be_cut_apart_run_as_one(rng, device):
    arcs = [(0, 1, 1, 0.5, 1), (0, 2, 2, 0.25, 2), (1, 1, 1, 0.0, 3), (2, 2, 2, 0.0, 4)]
    arcs += [(3, 1, 1, 0.0, 5), (4, 2, 2, 0.0, 5), (5, 1, 1, 0.0, 6)]
    s = Supervision(1.0, 2, 2, D, False, (Fst.from_arcs(arcs, [float("inf")] * 6 + [0.0]),))
    y = rng.standard_normal((2, 2, D))
    theirs, ours = numerator(s, y), numerator(s, to_device(y))
    assert to_host(ours.log_prob) == pytest.approx(theirs.log_prob, rel=1e-12)
    np.testing.assert_allclose(to_host(ours.posterior), theirs.posterior, atol=1e-12)


@SORTS
def test_one_launch_a_frame_and_direction_and_nothing_leaves_the_device(rng, device, end_to_end):
    s = random_supervision(rng, N, T, D, end_to_end)
    y = to_device(rng.standard_normal((T, N, D)))
    transfers.clear()
    numerator(s, y)
    assert transfers["launches"] == 2 * (T + 1) and not transfers["to host"]


def test_a_supervision_without_paths_is_not_good(device):
    s = Supervision(1.0, 1, T, D, True, (Fst.linear([1]),))
    found = numerator(s, to_device(np.zeros((T, 1, D))))
    assert not to_host(found.good)


@SORTS
def test_without_posteriors_only_the_log_probability(rng, device, end_to_end):
    s, y = random_supervision(rng, N, T, D, end_to_end), rng.standard_normal((T, N, D))
    found = numerator(s, to_device(y), with_posterior=False)
    assert found.posterior is None and to_host(found.log_prob) == pytest.approx(numerator(s, y).log_prob)

"""What is done in a part of the minibatches only: one draw for a whole network."""

import numpy as np
import pytest

from nnet.component import SHARES, Io, kind_of_minibatch, minibatch_seed


def io(seed, node=0):
    return Io((), (), 1, (seed, node))


@pytest.mark.parametrize("share", SHARES)
def test_things_happen_in_their_share_of_the_minibatches(share):
    found = [io(minibatch_seed(7, number)).happens(share) for number in range(2000)]
    assert abs(np.mean(found) - share) < 0.04


def test_in_the_first_minibatch_of_a_job_everything_happens():
    for seed in (0, 1, 5):
        assert all(io(minibatch_seed(seed, 0)).happens(share) for share in SHARES)


def test_all_nodes_decide_alike_so_that_few_kinds_of_minibatch_exist():
    seeds = [minibatch_seed(3, number) for number in range(200)]
    kinds = {
        seed: [io(seed, node).happens(share) for share in SHARES] for seed in seeds for node in (0, 1, 9)
    }
    for seed in seeds:
        assert len({tuple(io(seed, node).happens(s) for s in SHARES) for node in range(4)}) == 1
    assert {tuple(kind) for kind in kinds.values()} == {
        tuple(kind <= i for i in range(len(SHARES))) for kind in range(len(SHARES) + 1)
    }
    assert {kind_of_minibatch(seed) for seed in seeds} == set(range(len(SHARES) + 1))

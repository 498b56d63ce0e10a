"""Phones of alignments, and the options of the phone language model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnet.formats.topology import HmmState, read_topology_file, topology
from nnet.formats.transitions import TransitionModel, transition_model
from nnet.formats.tree import monophone_tree
from steps.chain.denominator import lm_options, phones_of
from steps.lang import chain_topology_text


@pytest.fixture
def chain(tmp_path: Path) -> TransitionModel:
    """Two phones of a chain topology: 1 and 3 stay, 2 and 4 leave (or the other way round)."""
    (tmp_path / "topo").write_text(chain_topology_text([1, 2]))
    return transition_model(monophone_tree({1: 2, 2: 2}), read_topology_file(str(tmp_path / "topo")))


def ways(model: TransitionModel, phone: int) -> tuple[int, int]:
    """Transition-ids of leaving and of staying in the only state of `phone`."""
    ids = np.arange(1, model.num_ids + 1)
    mine = model.phone_of(ids) == phone
    loop = model.is_self_loop(ids)
    return int(ids[mine & ~loop][0]), int(ids[mine & loop][0])


def test_self_loops_after_the_way_out_belong_to_its_phone(chain: TransitionModel) -> None:
    (a, aa), (b, bb) = ways(chain, 1), ways(chain, 2)
    assert phones_of(chain, np.array([a, aa, aa, b, b, bb, a])).tolist() == [1, 2, 2, 1]


def test_self_loops_before_the_way_out_do_too(chain: TransitionModel) -> None:
    (a, aa), (b, bb) = ways(chain, 1), ways(chain, 2)
    assert phones_of(chain, np.array([aa, aa, a, bb, b, b, aa, a])).tolist() == [1, 2, 2, 1]


def test_a_phone_that_is_cut_off_counts(chain: TransitionModel) -> None:
    (a, aa), (_, bb) = ways(chain, 1), ways(chain, 2)
    assert phones_of(chain, np.array([aa, a, bb])).tolist() == [1, 2]
    assert phones_of(chain, np.array([], np.int32)).tolist() == []


def test_states_of_one_phone_are_one_phone() -> None:
    states = [HmmState(k, k, ((k, 0.5), (k + 1, 0.5))) for k in range(3)]
    model = transition_model(monophone_tree({1: 3}), topology([*states, HmmState(-1, -1, ())], [1]))
    ids = np.arange(1, model.num_ids + 1)
    forward = ids[~model.is_self_loop(ids)]
    stay = ids[model.is_self_loop(ids)]
    said = [forward[0], stay[0], forward[1], forward[2], stay[2], *forward]
    assert phones_of(model, np.array(said)).tolist() == [1, 1]


def test_options_of_the_language_model_are_checked() -> None:
    assert lm_options("--num-extra-lm-states=2000 --ngram-order=3") == [
        "--num-extra-lm-states=2000",
        "--ngram-order=3",
    ]
    assert lm_options(None) == []
    with pytest.raises(ValueError, match=r"--chain\.lm-opts='--states=3': "):
        lm_options("--states=3")
    with pytest.raises(ValueError, match="'2000' is no option"):
        lm_options("--ngram-order=3 2000")

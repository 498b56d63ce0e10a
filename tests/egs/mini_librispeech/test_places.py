"""Where Kaldi's scripts leave things for this corpus. The corpus itself is not at hand."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest

from egs.mini_librispeech.places import Places, chain_places, frame_places


def options(s5: Path, train_set: str = "train_clean_5", test_set: str = "dev_clean_2") -> Namespace:
    return Namespace(s5=s5, train_set=train_set, test_set=test_set, gmm="tri4")


def test_other_sets_and_models_are_found_where_kaldi_puts_them() -> None:
    places = frame_places(options(Path("s5"), "train", "dev"))
    assert places.supervision == {"ali-dir": Path("s5/exp/tri4_ali_train_sp"), "lang": Path("s5/data/lang")}
    assert places.test.ivectors == Path("s5/exp/nnet3/ivectors_dev_hires")
    assert places.graph == Path("s5/exp/tri4/graph_tgsmall")


def test_a_chain_training_reads_the_tree_of_its_topology_and_lattices() -> None:
    places = chain_places(options(Path("s5")))
    assert places.supervision == {
        "tree-dir": Path("s5/exp/chain/tree_sp"),
        "lat-dir": Path("s5/exp/chain/tri4_train_clean_5_sp_lats"),
    }
    assert places.graph == Path("s5/exp/chain/tree_sp/graph_tgsmall")


@pytest.mark.parametrize("found", [frame_places, chain_places])
def test_each_missing_file_is_named_with_the_script_that_makes_it(
    found: Callable[[Namespace], Places], tmp_path: Path
) -> None:
    places = found(options(tmp_path))
    for path, maker in places.needed().items():
        with pytest.raises(ValueError) as caught:
            places.check()
        assert str(caught.value) == f"there is no {path}: run {maker} in {tmp_path}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    places.check()

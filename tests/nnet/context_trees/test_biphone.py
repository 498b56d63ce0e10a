"""Full biphone trees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nnet.context_trees.biphone import count_biphones, full_biphone_tree
from nnet.formats.basic import open_output
from nnet.formats.topology import topology, write_topology
from nnet.formats.tree import read_tree
from tests.nnet.context_trees.toy import CHAIN, PHONES


def test_every_phone_after_every_phone_has_its_own_pdfs() -> None:
    tree = full_biphone_tree(PHONES, 2)
    pdfs = [tree.pdf((left, p), c) for p in PHONES for left in (0, *PHONES) for c in (0, 1)]
    assert pdfs == list(range(tree.num_pdfs)) == list(range(40))


def test_silence_has_no_context_and_is_none() -> None:
    tree = full_biphone_tree(PHONES, 2, [1])
    assert {tree.pdf((left, 1), 0) for left in (0, *PHONES)} == {0}
    assert tree.pdf((1, 3), 1) == tree.pdf((0, 3), 1) != tree.pdf((2, 3), 1)


def test_rare_biphones_share_the_pdfs_of_their_phone_and_rare_phones_one_pair() -> None:
    tying = count_biphones([[2, 3, 2, 3, 2], [4]], min_biphone=2, min_phone=1)
    tree = full_biphone_tree(PHONES, 2, tying=tying)
    assert tree.pdf((1, 2), 0) == tree.pdf((4, 2), 0) != tree.pdf((3, 2), 0)
    assert tree.pdf((2, 4), 0) == tree.pdf((2, 1), 0)


def test_no_pdf_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="0 pdf classes"):
        full_biphone_tree(PHONES, 0)


@pytest.mark.parametrize("free", [[], [1]])
def test_kaldi_makes_the_same_tree(free: list[int], tmp_path: Path, kaldi: Callable[..., object]) -> None:
    with open_output(str(tmp_path / "topo"), binary=False) as out:
        write_topology(out, topology(CHAIN, PHONES))
    options = [f"--ci-phones={free[0]}"] if free else []
    (tmp_path / "sets").write_text("".join(f"{p}\n" for p in PHONES))
    options.append(f"--shared-phones={tmp_path / 'sets'}")
    kaldi("gmm-init-biphone", *options, tmp_path / "topo", 10, tmp_path / "mdl", tmp_path / "tree")
    assert read_tree(str(tmp_path / "tree")) == full_biphone_tree(PHONES, 2, free)

"""Context-dependency trees: Kaldi's bytes, the pdfs they give, and damaged ones."""

from __future__ import annotations

from itertools import product

import pytest

from nnet.formats.basic import FormatError
from nnet.formats.tree import (
    PDF_CLASS,
    ContextTree,
    Leaf,
    Split,
    Table,
    monophone_tree,
    read_tree,
    write_tree,
)

TREES = (("fsdd/exp/ali/tree", 96), ("fsdd/chain/tree/tree", 72))
LEFT = Split(0, (0, 2), Leaf(3), Leaf(4))
TRIPHONE = ContextTree(3, 1, Table(1, (None, Table(PDF_CLASS, (LEFT, Leaf(5))), Leaf(0))))


@pytest.mark.parametrize(("name", "num_pdfs"), TREES)
def test_kaldis_trees_are_written_as_they_were(name, num_pdfs, shared, tmp_path):
    tree = read_tree(str(shared / name))
    assert tree.num_pdfs == num_pdfs
    write_tree(tree, str(tmp_path / "tree"))
    assert (tmp_path / "tree").read_bytes() == (shared / name).read_bytes()


@pytest.mark.parametrize("binary", [True, False])
def test_a_tree_is_read_back(binary, tmp_path):
    write_tree(TRIPHONE, str(tmp_path / "tree"), binary)
    assert read_tree(str(tmp_path / "tree")) == TRIPHONE


def test_pdfs_follow_the_questions():
    assert [TRIPHONE.pdf((left, 1, 9), 0) for left in (0, 1, 2, 3)] == [3, 4, 3, 4]
    assert TRIPHONE.pdf((1, 2, 1), 7) == 0
    assert TRIPHONE.pdfs(1, 0) == {3, 4}
    assert TRIPHONE.num_pdfs == 6


@pytest.mark.parametrize("window", [(0, 0, 0), (0, 3, 0), (0, -1, 0)])
def test_a_phone_without_pdf_is_an_error(window):
    with pytest.raises(ValueError, match="the tree has no pdf for class 0"):
        TRIPHONE.pdf(window, 0)


def test_a_window_of_another_width_is_an_error():
    with pytest.raises(ValueError, match="a window of 2 phones was given, the tree looks at 3"):
        TRIPHONE.pdf((1, 2), 0)


def test_pairs_of_pdfs_come_from_one_context():
    tree = ContextTree(
        2, 1, Table(PDF_CLASS, (Split(0, (1,), Leaf(0), Leaf(1)), Split(0, (1,), Leaf(2), Leaf(3))))
    )
    assert tree.pdf_pairs(1, (0, 1), [1, 2]) == {(0, 2), (1, 3)}


def test_pairs_agree_with_trying_every_context(shared):
    tree = read_tree(str(shared / TREES[1][0]))
    phones = range(1, 20)
    for phone in (1, 5, 19):
        tried = {tuple(tree.pdf((left, phone), c) for c in (0, 1)) for left in (0, *phones)}
        assert tree.pdf_pairs(phone, (0, 1), phones) == tried


def test_a_monophone_tree_numbers_pdfs_phone_by_phone():
    tree = monophone_tree({1: 5, 2: 3, 4: 3})
    seen = [tree.pdf((phone,), c) for phone, n in ((1, 5), (2, 3), (4, 3)) for c in range(n)]
    assert seen == list(range(11))
    assert monophone_tree({3: 2}).pdfs(3, 1) == {1}


def test_a_monophone_tree_needs_phones():
    with pytest.raises(ValueError, match="needs phones, numbered from 1"):
        monophone_tree({})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "ContextDependency 1 0 ToPdf XX 3 EndContextDependency ",
            "expected CE or TE or SE or NULL, found XX",
        ),
        (
            "ContextDependency 1 1 ToPdf CE 3 EndContextDependency ",
            "0 <= central position < width, found 1 and 1",
        ),
        ("ContextDependency 1 0 ToPdf NULL EndContextDependency ", "expected a tree"),
        ("ContextDependency 1 0 ToPdf SE 0 [ 1 ]\n{ NULL CE 1 } ", "has no answer on one side"),
        ("ContextDependency 1 0 ToPdf TE 0 900 ( CE 1 ) ", "needs 4500 bytes"),
        ("ContextDependency 1 0 ToPdf " + "SE 0 [ ] { " * 302, "deeper than 300"),
    ],
)
def test_damaged_trees_are_refused(text, message, tmp_path):
    (tmp_path / "tree").write_text(text)
    with pytest.raises(FormatError, match=message):
        read_tree(str(tmp_path / "tree"))


def test_a_table_with_a_wrong_size_byte_is_refused(tmp_path):
    write_tree(monophone_tree({1: 2}), str(tmp_path / "tree"))
    data = (tmp_path / "tree").read_bytes().replace(b"\xfc", b"\x04")
    (tmp_path / "tree").write_bytes(data)
    with pytest.raises(FormatError, match="expected an unsigned integer"):
        read_tree(str(tmp_path / "tree"))


def test_trees_that_count_pdf_classes_too_are_read(tmp_path):
    (tmp_path / "tree").write_text("ContextDependency 1 0 ToLength CE 1 ToPdf CE 3 EndContextDependency ")
    assert read_tree(str(tmp_path / "tree")) == ContextTree(1, 0, Leaf(3))


def test_every_context_of_kaldis_tree_has_a_pdf(shared):
    tree = read_tree(str(shared / TREES[0][0]))
    seen = {tree.pdf((a, b, c), 0) for a, b, c in product((0, 1, 7), (2, 7, 19), (0, 3, 19))}
    assert seen <= set(range(96))

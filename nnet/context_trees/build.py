"""A context-dependency tree from statistics: roots, questions that split them, leaves merged again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnet.context_trees.merging import Gaussian, Merger
from nnet.context_trees.splitting import Questions, grow
from nnet.context_trees.statistics import TreeStatistics
from nnet.formats.tree import PDF_CLASS, ContextTree, Leaf, Node, Split, Table

EVENLY = 8  # numbers of leaves are made multiples of it


@dataclass(frozen=True)
class Root:
    """Phones with a common tree: with one for all their pdf classes if `shared`, which is not split any
    further unless `split` (a line of Kaldi's roots.int).
    """

    phones: tuple[int, ...]
    shared: bool = True
    split: bool = True


@dataclass(frozen=True)
class BuildOptions:
    """Options of Kaldi's build-tree. `max_leaves` 0: as many as gain more than `threshold`.

    `cluster_threshold`: loss up to which leaves are merged; negative: the last split's gain; 0: none are.
    """

    max_leaves: int = 0
    threshold: float = 300.0
    cluster_threshold: float = -1.0
    round_num_leaves: bool = True

    def __post_init__(self) -> None:
        if self.max_leaves <= 0 and self.threshold <= 0:
            raise ValueError("a tree needs a largest number of leaves, or a threshold above zero")


Log = Callable[[str], None]


def build_tree(
    stats: TreeStatistics,
    questions: Questions,
    roots: Sequence[Root],
    num_pdf_classes: Mapping[int, int],
    options: BuildOptions = BuildOptions(),
    log: Log = lambda line: None,
) -> ContextTree:
    """The tree (BuildTree of Kaldi's tree/build-tree.cc). Raises ValueError for phones without a root."""
    stub, count = stub_tree(roots, num_pdf_classes, stats.central)
    log(f"BuildTree: before building trees, map has {count} leaves.")
    home = leaves_of(stub, stats)
    kept = [p for r in roots if not r.split for p in r.phones]
    splittable = np.where(np.isin(stats.phones[:, stats.central], kept), -1, home)
    growth = grow(stats, questions, splittable, count, options.threshold, options.max_leaves)
    frames = float(stats.counts.sum())
    log(f"DoDecisionTreeSplit: split {growth.num_leaves - count} times, #leaves now {growth.num_leaves}")
    log(f"The splits gain {growth.gain / frames:.6g} per frame over {frames:g} frames.")
    tree = with_leaves(stub, dict(enumerate(growth.subtrees)))
    threshold = growth.smallest if options.cluster_threshold < 0 else options.cluster_threshold
    left = growth.num_leaves
    if threshold > 0:
        tree, removed = _merged(tree, stats, home, threshold, 0)
        left -= removed
        log(f"BuildTree: removed {removed} leaves.")
    if options.round_num_leaves:
        tree, removed = _rounded(tree, stats, home, left // EVENLY * EVENLY)
        left -= removed
        log(f"BuildTree: Rounded num leaves to multiple of {EVENLY} by removing {removed} leaves.")
    tree = _renumbered(tree) if threshold > 0 or options.round_num_leaves else tree
    return ContextTree(stats.width, stats.central, tree)


def stub_tree(
    roots: Sequence[Root], num_pdf_classes: Mapping[int, int], central: int, first: int = 0
) -> tuple[Node, int]:
    """The tree of the roots alone, leaves numbered from `first`, and the next number (GetStubMap)."""
    if len(roots) == 1:
        if roots[0].shared:
            return Leaf(first), first + 1
        end = first + max(num_pdf_classes[p] for p in roots[0].phones)
        return Table(PDF_CLASS, tuple(Leaf(i) for i in range(first, end))), end
    highest = max(p for r in roots for p in r.phones)
    if all(len(r.phones) == 1 for r in roots) and len(roots) <= 2 * highest:
        children: list[Node | None] = [None] * (highest + 1)
        for root in roots:
            children[root.phones[0]], first = stub_tree([root], num_pdf_classes, central, first)
        return Table(central, tuple(children)), first
    half = len(roots) // 2
    yes, first = stub_tree(roots[:half], num_pdf_classes, central, first)
    no, first = stub_tree(roots[half:], num_pdf_classes, central, first)
    return Split(central, tuple(sorted(p for r in roots[:half] for p in r.phones)), yes, no), first


def leaves_of(tree: Node, stats: TreeStatistics) -> np.ndarray:
    """(M,) the leaf of every event. Raises ValueError naming an event for which the tree has none."""
    leaves = np.empty(len(stats.counts), np.int64)
    for m, (pdf_class, window) in enumerate(zip(stats.classes.tolist(), stats.phones.tolist())):
        node: Node | None = tree
        while node is not None and not isinstance(node, Leaf):
            value = pdf_class if node.key == PDF_CLASS else window[node.key]
            if isinstance(node, Split):
                node = node.yes if value in node.values else node.no
            else:
                node = node.children[value] if 0 <= value < len(node.children) else None
        if node is None:
            raise ValueError(f"no root of the tree is for pdf class {pdf_class} of the phones {window}")
        leaves[m] = node.pdf
    return leaves


def with_leaves(tree: Node, new: Mapping[int, Node]) -> Node:
    """`tree` with other nodes in place of leaves; those not in `new` stay."""
    if isinstance(tree, Leaf):
        return new.get(tree.pdf, tree)
    if isinstance(tree, Split):
        return Split(tree.key, tree.values, with_leaves(tree.yes, new), with_leaves(tree.no, new))
    return Table(tree.key, tuple(None if c is None else with_leaves(c, new) for c in tree.children))


def _merged(
    tree: Node, stats: TreeStatistics, home: np.ndarray, threshold: float, min_clusters: int
) -> tuple[Node, int]:
    """Leaves below the same root merged, and how many are gone. Leaves without frames stay."""
    leaf = leaves_of(tree, stats)
    members = [sorted(set(leaf[home == r].tolist())) for r in sorted(set(home.tolist()))]
    compartments = [[_gaussian(stats, leaf == i) for i in row] for row in members]
    if min_clusters:
        numbers = Merger(compartments, threshold, min_clusters).run()
    else:  # every root for itself
        numbers = [Merger([c], threshold).run()[0] for c in compartments]
    new = {i: Leaf(row[n]) for row, found in zip(members, numbers) for i, n in zip(row, found)}
    return with_leaves(tree, new), len(new) - sum(len(set(found)) for found in numbers)


def _rounded(tree: Node, stats: TreeStatistics, home: np.ndarray, wanted: int) -> tuple[Node, int]:
    """At most `wanted` leaves, those without frames included, if there are fewer roots than that."""
    roots = int(home.max()) + 1
    empty = roots - len(set(home.tolist()))
    if wanted < roots or wanted - empty > len(set(leaves_of(tree, stats).tolist())):
        return tree, 0
    return _merged(tree, stats, home, float("inf"), wanted - empty)


def _gaussian(stats: TreeStatistics, events: np.ndarray) -> Gaussian:
    return Gaussian(
        float(stats.counts[events].sum()), stats.sums[events].sum(axis=0), stats.squares[events].sum(axis=0)
    )


def _renumbered(tree: Node) -> Node:
    """Leaves numbered without gaps, in their order (RenumberEventMap)."""
    used = sorted(set(_pdfs(tree)))
    return with_leaves(tree, {pdf: Leaf(i) for i, pdf in enumerate(used)})


def _pdfs(tree: Node | None) -> list[int]:
    if isinstance(tree, Leaf):
        return [tree.pdf]
    if isinstance(tree, Split):
        return _pdfs(tree.yes) + _pdfs(tree.no)
    return [pdf for c in tree.children for pdf in _pdfs(c)] if tree is not None else []

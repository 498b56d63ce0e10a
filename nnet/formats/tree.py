"""Context-dependency trees in Kaldi's format: from a window of phones and a pdf class to a pdf."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnet.formats.basic import KaldiInput, KaldiOutput, open_output, open_whole

PDF_CLASS = -1  # the key of the pdf class in questions; positions in the window are 0 .. width - 1
MAX_DEPTH = 300  # questions in a row


@dataclass(frozen=True)
class Leaf:
    """A pdf (Kaldi's ConstantEventMap)."""

    pdf: int


@dataclass(frozen=True)
class Table:
    """Goes on with the child whose number is the value at `key` (TableEventMap); None: no answer."""

    key: int
    children: tuple[Node | None, ...]


@dataclass(frozen=True)
class Split:
    """Goes on with `yes` if the value at `key` is among `values`, else with `no` (SplitEventMap)."""

    key: int
    values: tuple[int, ...]  # rising
    yes: Node
    no: Node


Node = Leaf | Table | Split
Known = Mapping[int, frozenset[int]]  # key -> values still possible; absent keys may have any value


@dataclass(frozen=True)
class ContextTree:
    """A tree over windows of `width` phones, the central phone at position `central` (ContextDependency)."""

    width: int
    central: int
    root: Node

    @property
    def num_pdfs(self) -> int:
        """One more than the largest pdf of any leaf."""
        return 1 + max(_leaves(self.root), default=-1)

    def pdf(self, window: Sequence[int], pdf_class: int) -> int:
        """The pdf of the central phone of `window` (0 beyond an utterance). Raises ValueError if none."""
        if len(window) != self.width:
            raise ValueError(f"a window of {len(window)} phones was given, the tree looks at {self.width}")
        values = {PDF_CLASS: pdf_class, **dict(enumerate(window))}
        node: Node | None = self.root
        while node is not None and not isinstance(node, Leaf):
            value = values[node.key]
            if isinstance(node, Split):
                node = node.yes if value in node.values else node.no
            else:
                node = node.children[value] if 0 <= value < len(node.children) else None
        if node is None:
            raise ValueError(f"the tree has no pdf for class {pdf_class} of the phones {list(window)}")
        return node.pdf

    def pdfs(self, phone: int, pdf_class: int) -> set[int]:
        """The pdfs that class `pdf_class` of `phone` has in any context."""
        return {pdf for pdf, _ in _reach(self.root, self._known(phone, pdf_class))}

    def pdf_pairs(self, phone: int, classes: tuple[int, int], phones: Sequence[int]) -> set[tuple[int, int]]:
        """The pdfs of two classes of `phone` in the same context of `phones` (or an utterance's end)."""
        context = {i: frozenset((0, *phones)) for i in range(self.width) if i != self.central}
        pairs: set[tuple[int, int]] = set()
        for first, known in _reach(self.root, {**context, **self._known(phone, classes[0])}):
            narrowed = {**known, PDF_CLASS: frozenset([classes[1]])}
            pairs.update((first, second) for second, _ in _reach(self.root, narrowed))
        return pairs

    def _known(self, phone: int, pdf_class: int) -> dict[int, frozenset[int]]:
        return {self.central: frozenset([phone]), PDF_CLASS: frozenset([pdf_class])}


def _leaves(node: Node | None) -> Iterator[int]:
    if isinstance(node, Leaf):
        yield node.pdf
    elif isinstance(node, Split):
        yield from _leaves(node.yes)
        yield from _leaves(node.no)
    elif isinstance(node, Table):
        for child in node.children:
            yield from _leaves(child)


def _reach(node: Node | None, known: Known) -> Iterator[tuple[int, Known]]:
    """The leaves that can be reached, each with what its path tells about the values."""
    if isinstance(node, Leaf):
        yield node.pdf, known
    elif isinstance(node, Split):
        values, possible = frozenset(node.values), known.get(node.key)
        if possible is None:
            yield from _reach(node.yes, {**known, node.key: values})
            yield from _reach(node.no, known)
            return
        if inside := possible & values:
            yield from _reach(node.yes, {**known, node.key: inside})
        if outside := possible - values:
            yield from _reach(node.no, {**known, node.key: outside})
    elif isinstance(node, Table):
        possible = known.get(node.key)
        for value, child in enumerate(node.children):
            if possible is None or value in possible:
                yield from _reach(child, {**known, node.key: frozenset([value])})


def monophone_tree(num_pdf_classes: Mapping[int, int]) -> ContextTree:
    """The tree without context that gives each class of each phone a pdf (MonophoneContextDependency).

    `num_pdf_classes`: phone -> number of its pdf classes. Pdfs are numbered phone by phone in rising order.
    """
    phones = sorted(num_pdf_classes)
    if not phones or phones[0] < 1:
        raise ValueError("a monophone tree needs phones, numbered from 1")
    return ContextTree(1, 0, _stub(phones, num_pdf_classes, 0)[0])


def _stub(phones: Sequence[int], num_pdf_classes: Mapping[int, int], pdf: int) -> tuple[Node, int]:
    """The tree of `phones` whose first pdf is `pdf`, and the next free pdf (Kaldi's GetStubMap)."""
    if len(phones) == 1:
        end = pdf + num_pdf_classes[phones[0]]
        return Table(PDF_CLASS, tuple(Leaf(i) for i in range(pdf, end))), end
    children: list[Node | None] = [None] * (phones[-1] + 1)
    for phone in phones:
        children[phone], pdf = _stub([phone], num_pdf_classes, pdf)
    return Table(0, tuple(children)), pdf


def read_tree(name: str) -> ContextTree:
    """The tree in a file, which must end with it. Raises FormatError."""
    with open_whole(name) as src:
        src.expect("ContextDependency")
        width, central = src.int32(), src.int32()
        if src.expect("ToPdf", "ToLength") == "ToLength":  # older files count pdf classes here
            _read_node(src, 0)
            src.expect("ToPdf")
        root = _read_node(src, 0)
        src.expect("EndContextDependency")
        if root is None or not 0 <= central < width:
            src.error(f"expected a tree with 0 <= central position < width, found {central} and {width}")
        return ContextTree(width, central, root)


def _read_node(src: KaldiInput, depth: int) -> Node | None:
    if depth > MAX_DEPTH:
        src.error(f"the tree is deeper than {MAX_DEPTH} questions")
    kind = src.expect("CE", "TE", "SE", "NULL")
    if kind == "CE":
        return Leaf(src.int32())
    if kind == "TE":
        key = src.int32()
        count = _read_uint32(src)
        src.need(count * len("NULL "), "a table of the tree")
        src.expect("(")
        children = tuple(_read_node(src, depth + 1) for _ in range(count))
        src.expect(")")
        return Table(key, children)
    return _read_split(src, depth) if kind == "SE" else None


def _read_split(src: KaldiInput, depth: int) -> Split:
    key, values = src.int32(), tuple(src.int_vector().tolist())
    src.expect("{")
    yes, no = _read_node(src, depth + 1), _read_node(src, depth + 1)
    src.expect("}")
    if yes is None or no is None:
        src.error("a question of the tree has no answer on one side")
    return Split(key, values, yes, no)


def _read_uint32(src: KaldiInput) -> int:
    if not src.binary:
        return src.int32()
    size, *data = src.read_bytes(5, "the size of a table")
    if size != 0xFC:  # minus four: four bytes, unsigned
        src.error(f"expected an unsigned integer (size byte -4), found the size byte {size}")
    return int.from_bytes(bytes(data), "little")


def write_tree(tree: ContextTree, name: str, binary: bool = True) -> None:
    """Write `tree` as Kaldi's ContextDependency::Write does."""
    with open_output(name, binary) as out:
        out.token("ContextDependency")
        out.int32(tree.width)
        out.int32(tree.central)
        out.token("ToPdf")
        _write_node(out, tree.root)
        out.token("EndContextDependency")


def _write_node(out: KaldiOutput, node: Node | None) -> None:
    if node is None:
        out.token("NULL")
    elif isinstance(node, Leaf):
        out.token("CE")
        out.int32(node.pdf)
    elif isinstance(node, Table):
        out.token("TE")
        out.int32(node.key)
        _write_uint32(out, len(node.children))
        _write_children(out, "(", node.children, ")")
    else:
        out.token("SE")
        out.int32(node.key)
        out.int_vector(np.asarray(node.values, dtype=np.int32))
        _write_children(out, "{", (node.yes, node.no), "}")


def _write_children(out: KaldiOutput, opening: str, children: Sequence[Any], closing: str) -> None:
    out.token(opening)
    for child in children:
        _write_node(out, child)
    out.token(closing)
    out.newline()


def _write_uint32(out: KaldiOutput, value: int) -> None:
    out.write(b"\xfc" + value.to_bytes(4, "little") if out.binary else b"%d " % value)

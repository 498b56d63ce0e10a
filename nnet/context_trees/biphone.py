"""The full left-biphone tree: every phone after every other has its own pdfs (Kaldi's gmm-init-biphone)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from nnet.formats.tree import PDF_CLASS, ContextTree, Leaf, Node, Table

WIDTH, CENTRAL = 2, 1
BEFORE = 0  # the left context of the first phone

Biphones = Mapping[tuple[int, int], int]  # (left phone or 0, phone) -> how often it occurs


@dataclass(frozen=True)
class Tying:
    """A biphone seen less often than `min_biphone` shares its phone's pdfs; one whose phone is not seen more
    than `min_phone` times shares those of all rare phones.
    """

    biphones: Biphones
    phones: Mapping[int, int]
    min_biphone: int = 100
    min_phone: int = 20


def full_biphone_tree(
    phones: Sequence[int],
    num_pdf_classes: int,
    context_independent: Collection[int] = (),
    tying: Tying | None = None,
) -> ContextTree:
    """A tree with `num_pdf_classes` pdfs for every phone after every phone, and after none.

    What `context_independent` phones follow does not matter; as contexts they count as none
    (BiphoneContextDependencyFull). Raises ValueError without pdf classes.
    """
    if num_pdf_classes < 1:
        raise ValueError(f"a full biphone tree for phones of {num_pdf_classes} pdf classes")
    pdfs = _Pdfs(num_pdf_classes)
    free = sorted(context_independent)
    others = sorted(set(phones) - set(free))
    after: dict[int, Node] = {p: pdfs.new() for p in free}
    for phone in others:
        first = pdfs.new()
        row: dict[int, Node] = dict.fromkeys([BEFORE, *free], first)
        row.update((left, _pair(pdfs, left, phone, tying)) for left in others)
        after[phone] = table(0, row)
    return ContextTree(WIDTH, CENTRAL, table(CENTRAL, after))


def count_biphones(sequences: Sequence[Sequence[int]], min_biphone: int, min_phone: int) -> Tying:
    """The tying that follows from sequences of phones (compute_biphone_stats.py)."""
    biphones: dict[tuple[int, int], int] = {}
    phones: dict[int, int] = {}
    for sequence in sequences:
        for pair in zip([BEFORE, *sequence], sequence):
            biphones[pair] = biphones.get(pair, 0) + 1
            phones[pair[1]] = phones.get(pair[1], 0) + 1
    return Tying(biphones, phones, min_biphone, min_phone)


def _pair(pdfs: _Pdfs, left: int, phone: int, tying: Tying | None) -> Node:
    if tying is None or tying.biphones.get((left, phone), 0) >= tying.min_biphone:
        return pdfs.new()
    if tying.phones.get(phone, 0) > tying.min_phone:
        return pdfs.shared(("phone", phone))
    return pdfs.shared("rare")


@dataclass
class _Pdfs:
    """Hands out pdfs: new ones, or the same ones for the same key."""

    classes: int
    next: int = 0
    known: dict[object, Node] = field(default_factory=dict)

    def new(self) -> Node:
        first, self.next = self.next, self.next + self.classes
        return Table(PDF_CLASS, tuple(Leaf(pdf) for pdf in range(first, self.next)))

    def shared(self, key: object) -> Node:
        if key not in self.known:
            self.known[key] = self.new()
        return self.known[key]


def table(key: int, children: Mapping[int, Node]) -> Table:
    """A table of the children by value; there is none for values that are not given."""
    return Table(key, tuple(children.get(value) for value in range(max(children) + 1)))

"""Merging examples of one structure into minibatches (Kaldi's ExampleMerger)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from nnet.examples.hash_order import HashOrder, inputs_code
from nnet.examples.minibatch_size import MinibatchSizes
from nnet.examples.rows import append_rows, compressed
from nnet.formats.examples import NnetExample, NnetIo

Item = TypeVar("Item")


def structure(eg: NnetExample) -> Hashable:
    """What must be equal for examples to merge: names, indexes and dimensions, in order."""
    return tuple((io.name, *io.features.shape, io.indexes.tobytes()) for io in eg.io)


def example_code(eg: NnetExample) -> int:
    """The hash code of the structure, which decides the order of what is left at the end."""
    return inputs_code((io.name, io.indexes, io.features.shape[1]) for io in eg.io)


def example_size(eg: NnetExample) -> int:
    """The largest number of rows of any of its inputs and outputs."""
    return max(len(io.indexes) for io in eg.io)


class MergingStats:
    """How many minibatches of which sizes were made of examples of each structure, and what was left over."""

    def __init__(self) -> None:
        self.size_of: dict[Hashable, int] = {}
        self.made: dict[Hashable, Counter[int]] = defaultdict(Counter)
        self.discarded: Counter[Hashable] = Counter()

    @property
    def num_minibatches(self) -> int:
        """Minibatches made so far."""
        return sum(sum(sizes.values()) for sizes in self.made.values())

    @property
    def num_discarded(self) -> int:
        """Examples that went into no minibatch."""
        return sum(self.discarded.values())

    def summary(self) -> list[str]:
        """Kaldi's closing log lines on what was merged."""
        kinds = sorted(self.size_of, key=lambda s: self.size_of[s])
        parts = []
        for s in kinds:
            made = ",".join(f"{size}->{n}" for size, n in sorted(self.made[s].items()))
            parts.append(f"{self.size_of[s]}={{{made},d={self.discarded[s]}}}")
        return [
            "Merged specific eg types as follows [format: <eg-size1>="
            "{<mb-size1>-><num-minibatches1>,<mbsize2>-><num-minibatches2>.../d=<num-discarded>}"
            ",<egs-size2>={...},... (note,egs-size == number of input frames including context).",
            ",".join(parts),
            self._aggregate(),
        ]

    def _aggregate(self) -> str:
        used = {s: sum(size * n for size, n in self.made[s].items()) for s in self.size_of}
        merged, discarded = sum(used.values()), self.num_discarded
        total = merged + discarded
        frames = sum((used[s] + self.discarded[s]) * size for s, size in self.size_of.items())
        lost = 100 * discarded / total if total else 0.0
        kinds = f"{len(self.size_of)}/{sum(len(m) for m in self.made.values())}"
        return (
            f"Processed {total} egs of avg. size {frames / total if total else 0.0:.4g} into "
            f"{self.num_minibatches} minibatches, discarding {lost:.4g}% of egs.  "
            f"Avg minibatch size was {merged / self.num_minibatches if self.num_minibatches else 0.0:.4g}, "
            f"#distinct types of egs/minibatches was {kinds}"
        )


def group_examples(
    examples: Iterable[Item],
    sizes: MinibatchSizes,
    stats: MergingStats | None = None,
    structure_of: Callable[[Any], Hashable] = structure,
    size_of: Callable[[Any], int] = example_size,
    code_of: Callable[[Any], int] = example_code,
) -> Iterator[list[Item]]:
    """Lists of examples of one structure, each list a minibatch, in the order in which they become full.

    Examples may be anything of which `structure_of`, `size_of` and `code_of` know structure, size and the
    structure's hash code.

    When the input ends, what waits is given out in the largest sizes allowed, structures in the order of
    Kaldi's hash table; the remainder is discarded (and counted in `stats`).
    """
    stats = MergingStats() if stats is None else stats
    waiting: dict[Hashable, list[Item]] = {}
    full: dict[Hashable, int] = {}  # size of a minibatch
    order = HashOrder()
    for eg in examples:
        kind = structure_of(eg)
        if kind not in waiting:
            waiting[kind] = []
            order.insert(kind, code_of(eg))
        group = waiting[kind]
        group.append(eg)
        if kind not in full:
            stats.size_of[kind] = size_of(eg)
            full[kind] = sizes.of(stats.size_of[kind]).largest
        if len(group) == full[kind]:
            del waiting[kind]
            order.remove(kind)
            stats.made[kind][len(group)] += 1
            yield group
    for kind in order:
        left = waiting[kind]
        while left and (n := sizes.of(stats.size_of[kind]).largest_within(len(left))):
            stats.made[kind][n] += 1
            yield left[:n]
            del left[:n]
        stats.discarded[kind] += len(left)


def merge_examples(examples: Sequence[NnetExample], compress: bool = False) -> NnetExample:
    """One example out of several of one structure: rows appended, n counting the examples; names sorted.

    Already merged examples may be merged again. Sparse rows stay sparse; all else becomes a full matrix,
    compressed again if `compress`. Raises ValueError if names or dimensions differ.
    """
    stride = int(examples[0].io[0].indexes[:, 0].max()) + 1
    parts: dict[str, list[NnetIo]] = defaultdict(list)
    offsets: dict[str, list[int]] = defaultdict(list)
    for k, eg in enumerate(examples):
        for io in eg.io:
            parts[io.name].append(io)
            offsets[io.name].append(k * stride)
    return NnetExample(
        [_merge_io(name, parts[name], offsets[name], stride, compress) for name in sorted(parts)]
    )


def _merge_io(name: str, parts: list[NnetIo], offsets: list[int], stride: int, compress: bool) -> NnetIo:
    widths = {io.features.shape[1] for io in parts}
    if len(widths) > 1:
        raise ValueError(f"merging examples whose '{name}' has different dimensions: {sorted(widths)}")
    indexes = np.concatenate([io.indexes for io in parts])
    if indexes[:, 0].max() >= stride:
        raise ValueError(
            f"merging examples that hold different numbers of sequences: '{name}' has more than {stride}"
        )
    indexes[:, 0] += np.repeat(np.array(offsets, indexes.dtype), [len(io.indexes) for io in parts])
    features = append_rows([io.features for io in parts])
    return NnetIo(name, indexes, compressed(features) if compress else features)


def merge(
    examples: Iterable[NnetExample],
    sizes: MinibatchSizes,
    compress: bool = False,
    stats: MergingStats | None = None,
) -> Iterator[tuple[str, NnetExample]]:
    """(key, merged example) for each list of `group_examples`; keys are `merged-COUNT-SIZE` as in Kaldi."""
    for i, group in enumerate(group_examples(examples, sizes, stats)):
        yield f"merged-{i}-{len(group)}", merge_examples(group, compress)

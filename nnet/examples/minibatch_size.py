"""The language of --minibatch-size: which sizes a minibatch may have (Kaldi's ExampleMergingConfig)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SizeSet:
    """Allowed minibatch sizes as ranges (first, last), both inclusive: "16:32,64" is ((16, 32), (64, 64))."""

    ranges: tuple[tuple[int, int], ...]

    @property
    def largest(self) -> int:
        """The largest allowed size."""
        return max(last for _, last in self.ranges)

    def largest_within(self, available: int) -> int:
        """The largest allowed size that is <= available, or 0."""
        return max((min(available, last) for first, last in self.ranges if available >= first), default=0)


@dataclass(frozen=True)
class MinibatchSizes:
    """Rules (example size, allowed minibatch sizes); for an example the rule of the nearest size holds."""

    rules: tuple[tuple[int, SizeSet], ...]

    def of(self, example_size: int) -> SizeSet:
        """The sizes for examples of this size: the largest one, and at the end the largest possible."""
        return min(self.rules, key=lambda rule: abs(example_size - rule[0]))[1]


def parse_minibatch_sizes(text: str) -> MinibatchSizes:
    """`128`, `64,128`, `1:64`, or by example size `128=64:128/256=32,64`. Raises ValueError with the text."""
    parts = text.split("/")
    rules = []
    for part in parts:
        example_size, equals, sizes = part.rpartition("=")
        if len(parts) > 1 and not equals:
            raise ValueError(
                f"--minibatch-size={text}: with several rules each needs an example size, as in 64=128"
            )
        rules.append((_integer(example_size, text) if equals else 0, _size_set(sizes, text)))
    if len({size for size, _ in rules}) != len(rules):
        raise ValueError(f"--minibatch-size={text}: an example size is given twice")
    return MinibatchSizes(tuple(rules))


def _size_set(text: str, whole: str) -> SizeSet:
    ranges = []
    for part in text.split(","):
        first, colon, last = part.partition(":")
        bounds = (_integer(first, whole), _integer(last if colon else first, whole))
        if not 0 < bounds[0] <= bounds[1]:
            raise ValueError(
                f"--minibatch-size={whole}: {part} is not a positive size or a rising range of sizes"
            )
        ranges.append(bounds)
    return SizeSet(tuple(ranges))


def _integer(text: str, whole: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"--minibatch-size={whole}: {text!r} is not an integer") from None

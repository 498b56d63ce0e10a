"""steps/chain/gen_topo.py: prints the HMM topology of chain models, as Kaldi's script of that name does."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from steps.lang import chain_topology_text

USAGE = """Print a topology for chain training, in which a phone can last a single frame of the output.

Usage: steps/chain/gen_topo.py [--num-states 1|2] NONSILENCE-PHONES SILENCE-PHONES > topo
e.g.:  steps/chain/gen_topo.py 4:5:6:7:8:9:10 1:2:3

Phones are numbers with colons between. 1 state (gen_topo.py) has one pdf for its first frame and another for
all further ones; 2 states (gen_topo_orig.py) do the same with a state for each."""


def main(argv: Sequence[str] | None = None) -> int:
    """Print the topology; returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if "--help" in words or not words:
        print(USAGE, file=sys.stderr)
        return 0 if words else 1
    try:
        num_states, (nonsilence, silence) = _arguments(words)
        print(chain_topology_text(all_phones(silence, nonsilence), num_states), end="")
    except ValueError as error:
        print(f"gen_topo.py: {error}", file=sys.stderr)
        return 1
    return 0


def _arguments(words: list[str]) -> tuple[int, list[str]]:
    """The number of states, and the lists of phones. Raises ValueError."""
    number, lists = "1", []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if name == "--num-states":
            number = value if equals else next(rest, "")
        elif word.startswith("--"):
            raise ValueError(f"unknown option {name}: there is only --num-states, 1 or 2")
        else:
            lists.append(word)
    if number not in ("1", "2"):
        raise ValueError(f"--num-states={number}: expected 1 or 2")
    if len(lists) != 2:
        raise ValueError(f"needs non-silence phones and silence phones, but got {len(lists)} arguments")
    return int(number), lists


def phones(text: str) -> list[int]:
    """The numbers of a list such as 4:5:6. Raises ValueError."""
    parts = text.split(":")
    if not all(p.isdecimal() and int(p) > 0 for p in parts):
        raise ValueError(f"{text!r} is no list of phones: write positive numbers with colons between")
    return [int(p) for p in parts]


def all_phones(silence: str, nonsilence: str) -> list[int]:
    """Silence phones, then the others. Raises ValueError for a phone given twice."""
    numbers = [*phones(silence), *phones(nonsilence)]
    if len(set(numbers)) < len(numbers):
        twice = next(n for i, n in enumerate(numbers) if n in numbers[:i])
        raise ValueError(f"phone {twice} is given twice")
    return numbers


if __name__ == "__main__":
    sys.exit(main())

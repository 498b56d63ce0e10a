"""The minibatch-size rules of nnet3-merge-egs as the training scripts handle them: checked, halved,
bounded.
"""

from __future__ import annotations

import re

_SIZES = r"[0-9]+(?::[0-9]+)?(?:,[0-9]+(?::[0-9]+)?)*"
_SIMPLE = re.compile(_SIZES)
_RULES = re.compile(rf"[0-9]+={_SIZES}(?:/[0-9]+={_SIZES})*")


def check(text: str, option: str = "--trainer.optimization.minibatch-size") -> str:
    """`text` itself if it is a rule such as 128, 64,128, 1:64 or 128=64:128/256=32,64; else ValueError."""
    if not (_SIMPLE.fullmatch(text) or _RULES.fullmatch(text)):
        raise ValueError(
            f"{option}={text!r} is no minibatch size: write N, N,M, N:M, or LENGTH=SIZES/LENGTH=SIZES, e.g. "
            "128=64:128/256=32"
        )
    for sizes in _size_lists(text):
        for item in sizes.split(","):
            bounds = [int(n) for n in item.split(":")]
            if bounds[0] < 1 or bounds[-1] < bounds[0]:
                raise ValueError(f"{option}={text!r}: {item!r} is no range of positive sizes")
    return text


def halve(text: str) -> str:
    """The rule with every size above 1 halved; lengths of examples stay."""
    rules = [rule.rpartition("=") for rule in text.split("/")]
    return "/".join(length + equals + _halve_sizes(sizes) for length, equals, sizes in rules)


def largest_size(text: str) -> int:
    """The largest number of sequences that a minibatch may have."""
    return max(int(n) for sizes in _size_lists(text) for n in re.split("[,:]", sizes))


def at_most(text: str) -> str:
    """The rule that also takes smaller minibatches, so that combination sees every example; ranges stay
    as they are.
    """
    return text if ":" in text.partition(",")[0] or "=" in text else f"1:{text}"


def _halve_sizes(sizes: str) -> str:
    return re.sub("[0-9]+", lambda n: str(max(1, int(n.group()) // 2)), sizes)


def _size_lists(text: str) -> list[str]:
    return [rule.rpartition("=")[2] for rule in text.split("/")]

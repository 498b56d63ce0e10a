"""Descriptors of xconfig: nnet3's plus `[-1]`, `name@-3` and offsets as in `Append(-1,0,1)`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

# What each operator takes: d a descriptor, d* any number more of them, t an offset or value in frames,
# t? the same, optional, m a positive period, v the name of an index (t or x), f a number, n a dimension.
_ARGUMENTS = {
    "Append": ("d", "d*"),
    "Sum": ("d", "d*"),
    "Switch": ("d", "d*"),
    "Failover": ("d", "d"),
    "IfDefined": ("d",),
    "Offset": ("d", "t", "t?"),
    "Round": ("d", "m"),
    "ReplaceIndex": ("d", "v", "t"),
    "Scale": ("f", "d"),
    "Const": ("f", "n"),
}
_WANTED = {
    "t": "an integer",
    "m": "a positive integer",
    "v": "t or x",
    "f": "a number",
    "n": "a positive integer",
}
_DEEPEST = 100
_TOKEN = re.compile(r"\[\s*[^\]\s]*\s*\](?:\.[-\w.]+)?|[()@,]|[^\s()@,\[\]]+|[\[\]]")
_NAME = re.compile(r"[a-zA-Z_][-a-zA-Z_0-9.]*")
_INTEGER = re.compile(r"[-+]?\d+")


@dataclass(frozen=True)
class Descriptor:
    """`operator(arguments)`; without operator, the name of a layer or of its auxiliary output."""

    operator: str
    arguments: tuple[Descriptor | str | int | float, ...]

    def __str__(self) -> str:
        return self.render(str)

    def render(self, text: Callable[[str], str]) -> str:
        """The descriptor with each name replaced by `text(name)`."""
        if not self.operator:
            return text(str(self.arguments[0]))
        parts = [a.render(text) if isinstance(a, Descriptor) else str(a) for a in self.arguments]
        return f"{self.operator}({', '.join(parts)})"

    def dim(self, dim: Callable[[str], int]) -> int:
        """Number of columns, given that of each name. Raises ValueError where terms of a sum differ."""
        if not self.operator:
            return dim(str(self.arguments[0]))
        if self.operator == "Const":
            return int(self.arguments[1])  # type: ignore[arg-type]
        parts = [a for a in self.arguments if isinstance(a, Descriptor)]
        dims = [part.dim(dim) for part in parts]
        if self.operator == "Append":
            return sum(dims)
        for part, columns in zip(parts, dims):
            if columns != dims[0]:
                raise ValueError(f"{self}: {parts[0]} has dim {dims[0]} but {part} has dim {columns}")
        return dims[0]


def parse_descriptor(text: str, previous: Sequence[str] = ()) -> Descriptor:
    """The descriptor in `text`. `previous` are the names of the layers above, for `[-1]` and bare offsets.

    Raises ValueError with the text and what was expected.
    """
    depth = max(accumulate((c == "(") - (c == ")") for c in text), default=0)
    if depth > _DEEPEST:
        raise ValueError(f"descriptor nested {depth} deep, more than {_DEEPEST}")
    reader = _Reader(_TOKEN.findall(text), previous)
    try:
        descriptor = reader.descriptor()
        if reader.tokens:
            raise ValueError(f"nothing may follow {descriptor}, found {' '.join(reader.tokens)}")
    except ValueError as error:
        raise ValueError(f"descriptor {text!r}: {error}") from None
    return descriptor


class _Reader:
    """Consumes tokens from the left, one method per rule of the grammar."""

    def __init__(self, tokens: list[str], previous: Sequence[str]):
        self.tokens, self.previous = tokens, previous

    def take(self, expected: str) -> str:
        if not self.tokens:
            raise ValueError(f"expected {expected} at the end")
        return self.tokens.pop(0)

    def expect(self, token: str, after: str) -> None:
        found = self.take(token)
        if found != token:
            raise ValueError(f"expected {token} after {after}, found {found}")

    def descriptor(self) -> Descriptor:
        first = self.take("a descriptor")
        if self.tokens[:1] == ["("]:
            return self.call(first)
        if _INTEGER.fullmatch(first):
            return self.shifted(self.layer_above(-1), int(first))
        if first.startswith("["):
            first = self.bracket(first)
        if not _NAME.fullmatch(first):
            raise ValueError(f"expected a descriptor, found {first}")
        if self.tokens[:1] != ["@"]:
            return Descriptor("", (first,))
        self.expect("@", first)
        return self.shifted(first, int(self.value("t", f"{first}@")))

    def call(self, operator: str) -> Descriptor:
        if operator not in _ARGUMENTS:
            near = difflib.get_close_matches(operator, _ARGUMENTS, 1)
            raise ValueError(
                f"there is no operator {operator}" + (f"; did you mean {near[0]}?" if near else "")
            )
        self.expect("(", operator)
        arguments: list[Descriptor | str | int | float] = []
        for kind in _ARGUMENTS[operator]:
            if kind == "d*":
                while self.more():
                    arguments.append(self.descriptor())
            elif kind != "t?" or self.more():
                if arguments and kind != "t?":
                    self.expect(",", f"{operator}({arguments[-1]}")
                arguments.append(self.descriptor() if kind == "d" else self.value(kind[0], operator))
        self.expect(")", f"{operator}({', '.join(map(str, arguments))}")
        return Descriptor(operator, tuple(arguments))

    def more(self) -> bool:
        """Whether another argument follows; consumes its comma."""
        if self.tokens[:1] != [","]:
            return False
        self.tokens.pop(0)
        return True

    def value(self, kind: str, where: str) -> str | int | float:
        text = self.take(_WANTED[kind])
        try:
            if kind == "f":
                return float(text)
            if kind == "v" and text in ("t", "x"):
                return text
            if kind != "v" and (kind == "t" or int(text) > 0):
                return int(text)
        except ValueError:
            pass
        raise ValueError(f"{where} takes {_WANTED[kind]}, found {text}")

    def bracket(self, token: str) -> str:
        """`[-2].aux` -> the name of the last layer but one, with the suffix."""
        inside, _, suffix = token[1:].partition("]")
        if not _INTEGER.fullmatch(inside.strip()) or int(inside) >= 0:
            raise ValueError(f"{token}: brackets hold a negative number, [-1] being the layer above")
        return self.layer_above(int(inside)) + suffix

    def layer_above(self, offset: int) -> str:
        if -offset > len(self.previous):
            raise ValueError(f"[{offset}] asks for {-offset} layers above, there are {len(self.previous)}")
        return self.previous[offset]

    @staticmethod
    def shifted(name: str, offset: int) -> Descriptor:
        node = Descriptor("", (name,))
        return Descriptor("Offset", (node, offset)) if offset else node

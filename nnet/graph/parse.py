"""Descriptors from text: a recursive-descent parser that says where and what is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection
from typing import NoReturn

from nnet.graph.expression import (
    Append,
    Const,
    Descriptor,
    Failover,
    IfDefined,
    NodeRef,
    Offset,
    ReplaceIndex,
    Round,
    Scale,
    Sum,
    Switch,
    to_float32,
)

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")  # what a node or component may be called
TOKEN = re.compile(r"\s*([(),]|[^\s(),]+)")
END = "the end"


def parse(text: str, names: Collection[str] | None = None) -> Descriptor:
    """The descriptor that `text` spells, as written (not in normal form).

    With `names`, only these may be mentioned. Raises ValueError with the position (from 1) of a mistake.
    """
    parser = _Parser(text, names)
    d = parser.descriptor()
    parser.expect(END, "after the descriptor")
    return d


class _Parser:
    def __init__(self, text: str, names: Collection[str] | None):
        self.text, self.names = text, names
        self.tokens = [(m.group(1), m.start(1)) for m in TOKEN.finditer(text)]
        self.tokens.append((END, len(text.rstrip())))
        self.at = 0
        self.functions: dict[str, Callable[[], Descriptor]] = {
            "Append": lambda: Append(self.descriptors()),
            "Sum": lambda: Sum(self.descriptors()),
            "Switch": lambda: Switch(self.descriptors()),
            "Failover": self.failover,
            "IfDefined": lambda: IfDefined(self.descriptor()),
            "Offset": self.offset,
            "Round": lambda: Round(self.descriptor(), self.positive("Round's period")),
            "ReplaceIndex": self.replace_index,
            "Scale": self.scale,
            "Const": lambda: Const(self.number("Const"), self.positive("Const's dim")),
        }

    def descriptor(self) -> Descriptor:
        word = self.peek()
        opens = self.at + 1 < len(self.tokens) and self.tokens[self.at + 1][0] == "("
        if word not in self.functions:
            return self.unknown_function(word) if opens and NAME.fullmatch(word) else self.node()
        self.at += 1
        self.expect("(", f"after {word}")
        d = self.functions[word]()
        self.expect(")", f"to close {word}(")
        return d

    def node(self) -> NodeRef:
        word = self.peek()
        if not NAME.fullmatch(word):
            self.fail(f"expected a node or a function, found {word!r}")
        if self.names is not None and word not in self.names:
            self.fail(f"there is no node {word}{_nearest(word, self.names)}")
        self.at += 1
        return NodeRef(word)

    def descriptors(self) -> tuple[Descriptor, ...]:
        found = [self.descriptor()]
        while self.peek() == ",":
            self.at += 1
            found.append(self.descriptor())
        return tuple(found)

    def failover(self) -> Descriptor:
        first = self.descriptor()
        self.expect(",", "between the two parts of Failover")
        return Failover((first, self.descriptor()))

    def scale(self) -> Descriptor:
        scale = self.number("Scale")
        self.expect(",", "after Scale's number")
        return Scale(scale, self.descriptor())

    def offset(self) -> Descriptor:
        part = self.descriptor()
        self.expect(",", "before Offset's number of frames")
        frames = self.integer("Offset's number of frames")
        if self.peek() == ",":
            self.at += 1
            if self.integer("Offset's x") != 0:
                self.at -= 1
                self.fail("an Offset in x is not supported, only in time: x is always 0")
        return Offset(part, frames)

    def replace_index(self) -> Descriptor:
        part = self.descriptor()
        self.expect(",", "before ReplaceIndex's variable")
        variable = self.peek()
        if variable not in ("t", "x"):
            self.fail(f"ReplaceIndex replaces t or x, not {variable!r}")
        self.at += 1
        self.expect(",", "before ReplaceIndex's value")
        value = self.integer("ReplaceIndex's value")
        if variable == "x" and value != 0:
            self.at -= 1
            self.fail("ReplaceIndex of x by anything but 0 is not supported: x is always 0")
        return ReplaceIndex(part, variable, value)

    def positive(self, what: str) -> int:
        self.expect(",", f"before {what}")
        value = self.integer(what)
        if value < 1:
            self.at -= 1
            self.fail(f"{what} is {value}, it must be at least 1")
        return value

    def integer(self, what: str) -> int:
        if not re.fullmatch(r"[+-]?\d+", self.peek()):
            self.fail(f"{what} must be an integer, found {self.peek()!r}")
        self.at += 1
        return int(self.tokens[self.at - 1][0])

    def number(self, what: str) -> float:
        if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", self.peek()):
            self.fail(f"{what} starts with a number, found {self.peek()!r}")
        self.at += 1
        return to_float32(float(self.tokens[self.at - 1][0]))

    def peek(self) -> str:
        return self.tokens[self.at][0]

    def expect(self, token: str, why: str) -> None:
        if self.peek() != token:
            self.fail(f"expected {token} {why}, found {self.peek()}")
        self.at += 1

    def unknown_function(self, word: str) -> NoReturn:
        self.fail(f"there is no function {word}{_nearest(word, self.functions)}")

    def fail(self, message: str) -> NoReturn:
        raise ValueError(
            f"descriptor {self.text.strip()!r}, character {self.tokens[self.at][1] + 1}: {message}"
        )


def _nearest(word: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {near[0]}?" if near else ""

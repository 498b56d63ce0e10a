"""One line of an nnet3 config: `component name=tdnn1 type=TdnnComponent input-dim=40 ...`, read by typed
accessors.
"""

from __future__ import annotations

import builtins
import difflib
import re
from collections.abc import Callable
from typing import Any

import numpy as np


class ConfigLine:
    """Keys and values of a config line. Each accessor marks its key as used; `finish` refuses the rest.

    `where` (file and line) stands in every error. `load_matrix(path)` reads a Kaldi matrix or vector file.
    """

    def __init__(
        self, text: str, where: str = "config", load_matrix: Callable[[str], np.ndarray] | None = None
    ):
        text = text.strip()
        self.where = where
        self.first_token, _, rest = text.partition(" ")
        self.values = parse_keys(rest, where)
        self.load_matrix = load_matrix
        self.make_part: Callable[[ConfigLine, np.random.Generator], Any] | None = None
        self._used: set[str] = set()
        self._known: set[str] = set()

    def has(self, key: builtins.str) -> builtins.bool:
        """Whether the line gives `key`; does not mark it as used."""
        self._known.add(key)
        return key in self.values

    def str(self, key: builtins.str, *default: builtins.str) -> builtins.str:
        """The value of `key` as text. Without a default a missing key raises ValueError."""
        self._known.add(key)
        if key in self.values:
            self._used.add(key)
            return self.values[key]
        if default:
            return default[0]
        raise ValueError(f"{self.where}: {self._name()} needs {key}=...")

    def int(self, key: builtins.str, *default: builtins.int) -> builtins.int:
        """The value of `key` as an integer."""
        return self._number(key, int, "an integer", *default)

    def float(self, key: builtins.str, *default: builtins.float) -> builtins.float:
        """The value of `key` as a float."""
        return self._number(key, float, "a number", *default)

    def bool(self, key: builtins.str, *default: builtins.bool) -> builtins.bool:
        """The value of `key` as a boolean; as in Kaldi its first letter decides (t, T, f, F)."""
        if key not in self.values and default:
            self._known.add(key)
            return default[0]
        value = self.str(key)
        if value[:1] not in "tTfF" or not value:
            raise ValueError(f"{self.where}: {self._name()}: {key}={value} is not true or false")
        return value[0] in "tT"

    def ints(self, key: builtins.str, *default: tuple[builtins.int, ...]) -> tuple[builtins.int, ...]:
        """The value of `key` as integers separated by commas or colons."""
        if key not in self.values and default:
            self._known.add(key)
            return default[0]
        value = self.str(key)
        try:
            return tuple(int(v) for v in re.split("[,:]", value) if v != "")
        except ValueError:
            raise ValueError(
                f"{self.where}: {self._name()}: {key}={value} is not a list of integers"
            ) from None

    def matrix(self, key: builtins.str) -> np.ndarray:
        """The matrix or vector in the file that `key` names."""
        path = self.str(key)
        if self.load_matrix is None:
            raise ValueError(f"{self.where}: {self._name()}: {key}={path} cannot be read here")
        return self.load_matrix(path)

    def part(self, key: builtins.str, rng: np.random.Generator) -> Any:
        """The component that the quoted value of `key` describes: `key='type=.. dim=..'`."""
        inner = ConfigLine(f"{key} {self.str(key)}", self.where, self.load_matrix)
        if self.make_part is None:
            raise ValueError(f"{self.where}: {self._name()}: {key} cannot be made here")
        return self.make_part(inner, rng)

    def finish(self) -> None:
        """Raise ValueError if the line has a key that nobody asked for, naming the nearest known one."""
        for key in self.values:
            if key not in self._used:
                near = difflib.get_close_matches(key, self._known, 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise ValueError(f"{self.where}: {self._name()} has no option {key}{hint}")

    def _name(self) -> builtins.str:
        return " ".join(
            v for v in (self.first_token, self.values.get("name", ""), self.values.get("type", "")) if v
        )

    def _number(self, key, kind, what, *default):  # type: ignore[no-untyped-def]
        if key not in self.values and default:
            self._known.add(key)
            return default[0]
        value = self.str(key)
        try:
            return kind(value)
        except ValueError:
            raise ValueError(f"{self.where}: {self._name()}: {key}={value} is not {what}") from None


def parse_keys(text: str, where: str) -> dict[str, str]:
    """`a=1 b=x y c='d=2'` -> {a: "1", b: "x y", c: "d=2"}, as Kaldi's ConfigLine.

    The first of repeated keys wins. Quotes, double or single, go around values that have equals signs.
    """
    values: dict[str, str] = {}
    plain = re.sub(r"=(['\"])(.*?)\1", lambda m: "=" + "-" * (len(m.group()) - 1), text)
    starts = list(re.finditer(r"(?:^|\s)([A-Za-z_][A-Za-z0-9_.-]*)=", plain))
    if text.strip() and (not starts or text[: starts[0].start()].strip()):
        raise ValueError(f"{where}: cannot read {text.strip()!r} as key=value pairs")
    for match, following in zip(starts, [*starts[1:], None]):
        value = text[match.end() : following.start() if following else len(text)].strip()
        if value[:1] in ("'", '"'):
            value = _unquoted(value, where)
        values.setdefault(match.group(1), value)
    return values


def _unquoted(value: str, where: str) -> str:
    if len(value) < 2 or value.find(value[0], 1) != len(value) - 1:
        raise ValueError(f"{where}: in {value} the quotes do not enclose the whole value")
    return value[1:-1]

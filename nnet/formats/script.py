"""Script files: for each key the place where its value is, a file, a position in an archive or a command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from nnet.formats.archive import read_value, shown, warn
from nnet.formats.basic import KaldiInput
from nnet.formats.kinds import Kind
from nnet.formats.ranges import split_range
from nnet.formats.specifiers import Rspecifier
from nnet.formats.streams import is_pipe, is_plain_reader, open_bytes, split_offset

_SPACE = re.compile("[ \\t\\r\\v\\f]+")  # other spaces of Unicode belong to a key or a name


def script_items(spec: Rspecifier, kind: Kind, allow: bool) -> Iterator[tuple[str, Any]]:
    """Keys and values in the order of a script file; with the option `p` what cannot be read is skipped."""
    with Places(kind, spec.pipes or allow) as places:
        for key, place in read_script(spec.name):
            try:
                value = places.read(key, place)
            except (ValueError, OSError) as error:
                if not spec.permissive:
                    raise
                warn(f"{error}; skipped, as the table is read with the option p")
                continue
            yield key, value


def read_script(name: str) -> list[tuple[str, str]]:
    """Keys and places of a script file. Raises ValueError naming the line that is not `key place`."""
    with open_bytes(name) as stream:
        lines = KaldiInput(stream, shown(name)).text().split("\n")
    if lines[-1] == "":
        lines.pop()
    entries = []
    for n, line in enumerate(lines, 1):
        words = _SPACE.split(line.strip(" \t\r\v\f"), maxsplit=1)
        if len(words) != 2:
            raise ValueError(f"{shown(name)}, line {n}: expected a key and a file, found {line[:60]!r}")
        entries.append((words[0], words[1]))
    return entries


class Places:
    """Reads values from the places that a script file names; keeps the last file open and the last value."""

    def __init__(self, kind: Kind, pipes: bool):
        self.kind, self.pipes = kind, pipes
        self._stack = ExitStack()
        self._path: str | None = None
        self._source: KaldiInput | None = None
        self._last: tuple[str, Any] | None = None

    def __enter__(self) -> Places:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file that is open."""
        self._path = self._source = self._last = None
        self._stack.close()

    def read(self, key: str, place: str) -> Any:
        """The value of `key` at `place`: file, file:offset, or a command if allowed; perhaps with [range]."""
        name, part = split_range(place)
        if part is None:
            return self._whole(key, name)
        if self.kind.extract is None:
            raise ValueError(f"{key}: {place!r} names a range, but a {self.kind.name} has no ranges")
        if self._last is None or self._last[0] != name:
            self._last = (name, self._whole(key, name))
        try:
            return self.kind.extract(self._last[1], part)
        except ValueError as error:
            raise ValueError(f"{key}: {place}: {error}") from None

    def _whole(self, key: str, name: str) -> Any:
        path, offset = split_offset(name)
        if is_pipe(name) or name in ("", "-") or path.endswith(".gz"):
            self._check_command(key, name)
            with open_bytes(name) as stream:
                return read_value(KaldiInput(stream, shown(name)), self.kind, key)
        if self._path != path or self._source is None:
            self.close()
            self._source = KaldiInput(self._stack.enter_context(open_bytes(path)), path)
            self._path = path
        self._source.seek(offset)
        return read_value(self._source, self.kind, key)

    def _check_command(self, key: str, name: str) -> None:
        if is_pipe(name) and not self.pipes and not is_plain_reader(name):
            raise ValueError(
                f"{key}: the script file wants to run the command {name!r}; if you trust it, give "
                "--allow-pipes-in-scp=true, or write scp,pipes: for scp:"
            )


def read_place(place: str, kind: Kind) -> Any:
    """The value in a single file that the user named, perhaps with [range] (Kaldi's ReadKaldiObject)."""
    name, part = split_range(place)
    with open_bytes(name) as stream:
        value = read_value(KaldiInput(stream, shown(name)), kind, place)
    if part is None:
        return value
    if kind.extract is None:
        raise ValueError(f"{place!r} names a range, but a {kind.name} has no ranges")
    return kind.extract(value, part)

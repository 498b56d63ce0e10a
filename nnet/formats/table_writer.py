"""Writing tables: archives, archives with a script file pointing into them, files named by a script file."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Any, BinaryIO

from nnet.formats.kinds import Kind
from nnet.formats.script import read_script
from nnet.formats.specifiers import parse_wspecifier
from nnet.formats.streams import create_bytes
from nnet.formats.writer import KaldiOutput, check_token


class TableWriter:
    """`with TableWriter("ark,scp:a.ark,a.scp", MATRIX) as table: table.write(key, value)`.

    Files appear whole when the block ends without an exception, and not at all otherwise.
    """

    def __init__(self, wspecifier: str, kind: Kind):
        self.kind = kind
        self.spec = parse_wspecifier(wspecifier)
        if self.spec.archive is not None and self.spec.script is not None:
            _check_plain(self.spec.archive, self.spec.script, wspecifier)
        self._stack = ExitStack()
        self._archive: BinaryIO | None = None
        self._script: BinaryIO | None = None
        self._places: dict[str, str] = {}

    def __enter__(self) -> TableWriter:
        if self.spec.archive is None:
            self._places = _read_places(str(self.spec.script), self.spec.pipes)
            return self
        with ExitStack() as stack:
            if self.spec.script is not None:
                self._script = stack.enter_context(create_bytes(self.spec.script))
            self._archive = stack.enter_context(create_bytes(self.spec.archive))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def write(self, key: str, value: Any) -> None:
        """Add a value. Raises ValueError if the key is no word or the value is not of the table's kind."""
        check_token(key)
        if self._archive is None:
            self._write_file(key, value)
            return
        self._archive.write(f"{key} ".encode())
        if self._script is not None:
            self._script.write(f"{key} {self.spec.archive}:{self._archive.tell()}\n".encode())
        self._write_value(self._archive, value)
        if self.spec.flush:
            self._archive.flush()

    def _write_file(self, key: str, value: Any) -> None:
        if key in self._places:
            with create_bytes(self._places[key]) as stream:
                self._write_value(stream, value)
        elif not self.spec.permissive:
            raise ValueError(
                f"{self.spec.script} names no file for {key}; with scp,p: such values are left out"
            )

    def _write_value(self, stream: BinaryIO, value: Any) -> None:
        target = KaldiOutput(stream, self.spec.binary)
        if getattr(self.kind, "has_header", True):
            target.header()
        self.kind.write(target, value)


def _check_plain(archive: str, script: str, wspecifier: str) -> None:
    if archive in ("", "-") or archive.startswith("|") or archive.endswith(".gz"):
        raise ValueError(
            f"{wspecifier!r}: a script file can point only into a plain file, not into {archive!r}"
        )
    if os.path.abspath(archive) == os.path.abspath(script):
        raise ValueError(f"{wspecifier!r}: archive and script file are the same file; give two names")


def _read_places(script: str, pipes: bool) -> dict[str, str]:
    places: dict[str, str] = {}
    for key, place in read_script(script):
        if key in places:
            raise ValueError(f"{script} names two files for {key}")
        if place.startswith("|") and not pipes:
            raise ValueError(
                f"{script}, {key}: the script file wants to run {place!r}; if you trust it, "
                "give --allow-pipes-in-scp=true, or write scp,pipes: for scp:"
            )
        places[key] = place
    return places

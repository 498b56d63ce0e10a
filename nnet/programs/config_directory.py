"""A configs directory changes as a whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(directory: str) -> Iterator[str]:
    """A new directory inside `directory`: its files move up when the block ends without an exception.

    `vars`, by which scripts know the directory to be whole, goes first and comes last; an old init.config or
    init.raw without successor goes. With an exception `directory` stays as it was. Raises OSError.
    """
    made = not os.path.isdir(directory)
    os.makedirs(directory, exist_ok=True)
    new = tempfile.mkdtemp(prefix=".new.", dir=directory)
    try:
        yield new
        _move_up(Path(new), Path(directory))
    finally:
        shutil.rmtree(new, ignore_errors=True)
        if made:
            with suppress(OSError):  # it is not empty
                os.rmdir(directory)


def _move_up(new: Path, directory: Path) -> None:
    names = {path.name for path in new.iterdir()}
    for name in {"vars", "init.config", "init.raw"} - (names - {"vars"}):
        (directory / name).unlink(missing_ok=True)
    for name in sorted(names, key=lambda name: (name == "vars", name)):
        os.replace(new / name, directory / name)

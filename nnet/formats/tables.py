"""Tables: values by key, in archives (`ark:`) or named by script files (`scp:`), read in order or by key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nnet.formats.archive import archive_items
from nnet.formats.background import in_background
from nnet.formats.kinds import (
    BOOL,
    DOUBLE,
    DOUBLE_MATRIX,
    DOUBLE_VECTOR,
    FLOAT,
    GENERAL_MATRIX,
    INT,
    INT_VECTOR,
    INT_VECTOR_VECTOR,
    MATRIX,
    POSTERIOR,
    TOKEN,
    TOKEN_VECTOR,
    VECTOR,
    Kind,
    Posterior,
)
from nnet.formats.random_access import ArchiveAccess, RandomAccess, ScriptAccess
from nnet.formats.script import script_items
from nnet.formats.specifiers import is_rspecifier, is_wspecifier, parse_rspecifier, parse_wspecifier
from nnet.formats.table_writer import TableWriter

__all__ = [
    "BOOL",
    "DOUBLE",
    "DOUBLE_MATRIX",
    "DOUBLE_VECTOR",
    "FLOAT",
    "GENERAL_MATRIX",
    "INT",
    "INT_VECTOR",
    "INT_VECTOR_VECTOR",
    "MATRIX",
    "POSTERIOR",
    "TOKEN",
    "TOKEN_VECTOR",
    "VECTOR",
    "Kind",
    "Posterior",
    "RandomAccess",
    "TableWriter",
    "is_rspecifier",
    "is_wspecifier",
    "parse_rspecifier",
    "parse_wspecifier",
    "random_access",
    "read_table",
]


def read_table(rspecifier: str, kind: Kind, allow_pipes: bool = False) -> Iterator[tuple[str, Any]]:
    """Keys and values of a table, in the order of the file.

    A command that stands inside a script file runs only with `allow_pipes` or the option `scp,pipes:`.
    Raises ValueError (FormatError) and OSError; with the option `p` a value that cannot be read is skipped
    with a warning, and an archive ends there.
    """
    spec = parse_rspecifier(rspecifier)
    items = script_items(spec, kind, allow_pipes) if spec.script else archive_items(spec, kind)
    return in_background(items) if spec.background else items


def random_access(rspecifier: str, kind: Kind, allow_pipes: bool = False) -> RandomAccess:
    """A table to be read by key: `key in table`, `table[key]`, `table.get(key)`, `with table:`."""
    spec = parse_rspecifier(rspecifier)
    return ScriptAccess(spec, kind, allow_pipes) if spec.script else ArchiveAccess(spec, kind)

"""Archives: keys and values one after the other in a file, a pipe or standard input."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from nnet.formats.basic import KaldiInput, read_header
from nnet.formats.kinds import Kind
from nnet.formats.specifiers import Rspecifier
from nnet.formats.streams import open_bytes

_SPACE = re.compile(rb"[ \t\n\v\f\r]")


def archive_items(spec: Rspecifier, kind: Kind) -> Iterator[tuple[str, Any]]:
    """Keys and values of an archive; with the option `p` it ends with a warning where it cannot be read."""
    try:
        with open_bytes(spec.name) as stream:
            source = KaldiInput(stream, shown(spec.name))
            while (key := _key(source)) is not None:
                yield key, read_value(source, kind, key)
    except (ValueError, OSError) as error:
        if not spec.permissive:
            raise
        warn(f"{error}; ignored, as the table is read with the option p")


def _key(source: KaldiInput) -> str | None:
    """The next key of an archive and the space or tab after it; None at the end."""
    source.skip_space()
    start = source.offset
    data = source.until(_SPACE, "a key", 1 << 16)
    if not data:
        return None
    after = source.peek_byte()
    if b"\0" in data:
        source.error(f"the key {data[:40]!r} contains a zero byte", start)
    if after not in (32, 9, 10):
        found = "the end of the file" if after < 0 else f"the byte {after}"
        source.error(f"expected a space after the key {data[:40]!r}, found {found}", start)
    if after != 10:
        source.position += 1
    return source.decode(data, "a key")


def read_value(source: KaldiInput, kind: Kind, key: str) -> Any:
    """One value, and before it the header \\0B if it is binary. Errors name the key."""
    source.binary = False
    if getattr(kind, "has_header", True):
        read_header(source)
    try:
        return kind.read(source)
    except ValueError as error:
        error.args = (f"{error} (value of {key})",)
        raise


def shown(name: str) -> str:
    """A file's name, for a message."""
    return "standard input" if name in ("", "-") else name


def warn(message: str) -> None:
    """Tell the user of something that was passed over."""
    import logging  # noqa: PLC0415 - costs 10 ms, wanted seldom

    logging.getLogger("nnet").warning("WARNING (tables) %s", message)
